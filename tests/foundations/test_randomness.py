from __future__ import annotations

import inspect
import itertools

import pytest
import torch

from foundations.randomness import RandomStreams, default_generator_seeded, derive_seed, seed_default_generators


def numbers(generator: torch.Generator) -> list[float]:
    return torch.rand(8, generator=generator).tolist()


def test_the_same_stream_gives_the_same_numbers_each_time():
    streams = RandomStreams(3, 1)
    assert numbers(streams.generator("data_order", 5)) == numbers(RandomStreams(3, 1).generator("data_order", 5))


def test_every_purpose_replicate_level_and_part_has_numbers_of_its_own():
    found = [
        tuple(numbers(RandomStreams(replicate, level).generator(purpose, *parts)))
        for replicate, level, purpose, parts in itertools.product(
            (1, 2), (0, 1, "pretrain"), ("data_order", "augmentation"), ((), (0,), (1,), (0, 1))
        )
    ]
    assert len(set(found)) == len(found) == 2 * 3 * 2 * 4


def test_numbers_that_run_together_are_told_apart():
    assert RandomStreams(1, 11).seed("x") != RandomStreams(11, 1).seed("x")
    assert derive_seed("a", 1, 2) != derive_seed("a", 12)


def test_a_streams_numbers_do_not_depend_on_what_was_drawn_before():
    streams = RandomStreams(1)
    expected = numbers(streams.generator("data_order"))
    torch.rand(100)
    numbers(streams.generator("augmentation"))
    assert numbers(streams.generator("data_order")) == expected


def test_a_stream_is_the_same_in_every_version():
    assert RandomStreams(1).seed("initial_weights") == derive_seed(1, 0, "initial_weights") == 6802716592546883314


def test_seeds_fit_into_a_signed_64_bit_number():
    assert all(0 <= derive_seed("size", number) < 2**63 for number in range(1000))


def test_the_experiments_name_plays_no_part():
    assert list(inspect.signature(RandomStreams).parameters) == ["replicate", "level", "rank"]


def test_the_first_rank_draws_what_a_process_alone_draws_and_the_others_something_else():
    alone = RandomStreams(1, 2)
    assert alone.of_rank(0).seed("weight_samples", 3) == alone.seed("weight_samples", 3)
    assert len({alone.of_rank(rank).seed("weight_samples", 3) for rank in range(4)}) == 4


def test_the_default_generator_is_seeded_inside_the_block_and_restored_after_it():
    before = torch.get_rng_state()
    with default_generator_seeded(7):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    with default_generator_seeded(7):
        assert torch.equal(torch.rand(3), first)
    with default_generator_seeded(8):
        assert not torch.equal(torch.rand(3), first)


def test_the_default_generator_is_restored_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), default_generator_seeded(7):
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), before)


def test_seeding_what_layers_draw_from_draws_what_torchs_own_way_does():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = torch.rand(3)
        seed_default_generators(5, torch.device("cpu"))
        assert torch.equal(torch.rand(3), expected)
