"""Who draws which random numbers, and whose gradient counts how much."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundations.context import RunContext, Sharing
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from training.team import Team, check_batch

STREAMS = RandomStreams(1, 2)


def team(number: int, size: int = 4, **sharing: str) -> Team:
    return Team.of(RunContext(Path(), Path(), ranks=Ranks(number, size), sharing=Sharing(**sharing)))


def test_alone_everything_is_as_if_there_were_no_ranks():
    alone = team(0, 1)
    assert alone.share_of_batch(7) == 1
    assert alone.noise_of_samples(STREAMS) == alone.noise_of_layers(STREAMS) == STREAMS


def test_ranks_that_share_examples_count_by_their_part_of_the_batch():
    assert [team(number).share_of_batch(10) for number in range(4)] == [0.3, 0.3, 0.2, 0.2]


def test_ranks_that_share_samples_count_alike_and_draw_what_one_process_draws():
    teams = [team(number, split="samples") for number in range(4)]
    assert [one.share_of_batch(10) for one in teams] == [0.25] * 4
    assert {one.noise_of_samples(STREAMS) for one in teams} == {STREAMS}
    assert len({one.noise_of_layers(STREAMS) for one in teams}) == 4


def test_ranks_that_share_examples_draw_their_own_samples_or_the_same():
    assert len({team(number).noise_of_samples(STREAMS) for number in range(4)}) == 4
    assert {team(number, noise="shared").noise_of_samples(STREAMS) for number in range(4)} == {STREAMS}
    assert len({team(number, noise="shared").noise_of_layers(STREAMS) for number in range(4)}) == 4


def test_every_rank_needs_an_example():
    check_batch(4, Ranks(0, 4))
    with pytest.raises(InvalidValue, match="--batch_size=3: fewer examples than the 4 processes"):
        check_batch(3, Ranks(0, 4))
