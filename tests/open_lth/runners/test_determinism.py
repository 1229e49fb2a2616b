"""The same command gives the same bits; experiments of one replicate are paired."""

from __future__ import annotations

import hashlib

import pytest
import torch

from tests.open_lth.running import INPUT, KINDS, LENET, RETRAINING, Trunk, Workplace, means, results, same, weights


@pytest.fixture
def elsewhere(tmp_path) -> Workplace:
    """A second root, deeper down and under another name."""
    return Workplace(tmp_path / "some where" / "else", tmp_path / "other data")


@pytest.fixture
def batches_seen(monkeypatch):
    """The training batches that networks get from now on, as digests of images and labels."""
    seen: list[str] = []
    from datasets.batches import DeviceBatches

    take = DeviceBatches.take

    def recording_take(*args):
        images, labels = take(*args)
        seen.append(hashlib.sha256(images.contiguous().numpy().tobytes() + labels.numpy().tobytes()).hexdigest())
        return images, labels

    monkeypatch.setattr(DeviceBatches, "take", recording_take)
    return seen


def test_the_same_command_in_another_root_gives_the_same_bits(finished, elsewhere, kind):
    again = Trunk(elsewhere, (*LENET, *KINDS[kind]))
    again.find_tickets(levels=2)
    assert results(elsewhere.root) == results(finished(*KINDS[kind]).workplace.root)


def test_what_was_drawn_before_plays_no_part(finished, elsewhere, kind):
    torch.manual_seed(123)
    torch.rand(7)
    state = torch.get_rng_state()
    again = Trunk(elsewhere, (*LENET, *KINDS[kind]))
    again.find_tickets(levels=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert results(again.level(1)) == results(finished(*KINDS[kind]).level(1))


BRANCHES = [("shuffle", "--seed=1"), ("reinit",), ("retrain", *RETRAINING)]


@pytest.mark.parametrize("branch", BRANCHES, ids=lambda words: words[0])
def test_branches_are_reproducible_too(trunk, elsewhere, finished, kind, branch):
    first = trunk.branch(*branch)
    again = Trunk(elsewhere, trunk.words)
    again.find_tickets(levels=1)
    assert results(again.branch(*branch)) == results(first)


def test_replicates_differ_in_their_weights_their_data_order_and_their_masks(workplace, finished, batches_seen, kind):
    first = finished(*KINDS[kind])
    second = Trunk(workplace, (*LENET, *KINDS[kind], "--replicate=2"))
    second.find_tickets(levels=1)
    of_second = list(batches_seen)
    assert second.directory.name == "replicate_2"
    batches_seen.clear()
    Trunk(Workplace(workplace.root.parent / "first", workplace.dataset_root), first.words).find_tickets(levels=0)
    assert not set(batches_seen) & set(of_second)
    for step in ("ep0_it0", "ep2_it0"):
        one, two = (means(weights(trunk.level(0), step), INPUT) for trunk in (first, second))
        assert not bool((one == two).any())
    masks = [(trunk.level(1) / "mask.pth").read_bytes() for trunk in (first, second)]
    assert masks[0] != masks[1]


def test_bayesian_and_deterministic_networks_of_a_replicate_start_from_the_same_means(workplace):
    states = []
    for words in KINDS.values():
        trunk = Trunk(workplace, (*LENET, "--model_init=kaiming_uniform", *words))
        trunk.find_tickets(levels=0)
        states.append(weights(trunk.level(0), "ep0_it0"))
    deterministic, bayesian = states
    for name, tensor in deterministic.items():
        layer, _, variable = name.rpartition(".")
        assert torch.equal(bayesian[f"{layer}._{variable}_mean"], tensor)


def test_bayesian_and_deterministic_networks_of_a_replicate_see_the_same_data_in_the_same_order(
    workplace, batches_seen
):
    seen = []
    for words in KINDS.values():
        batches_seen.clear()
        Trunk(workplace, (*LENET, *words)).find_tickets(levels=1)
        seen.append(list(batches_seen))
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 24  # four epochs of six batches, no two alike


def test_the_score_plays_no_part_in_what_level_0_learns(workplace, finished):
    other = Trunk(workplace, (*LENET, *KINDS["bayesian"], "--pruning_strategy=sparse_global_mu"))
    other.find_tickets(levels=0)
    usual = finished(*KINDS["bayesian"])
    assert other.directory.parent.name != usual.directory.parent.name
    assert results(other.level(0)) == results(usual.level(0))


def test_a_data_order_seed_gives_every_replicate_and_level_the_same_order(workplace, batches_seen):
    orders = []
    for replicate in (1, 2):
        batches_seen.clear()
        words = (*LENET, "--data_order_seed=5", "--do_not_augment", f"--replicate={replicate}")
        Trunk(workplace, words).find_tickets(levels=1)
        orders += [batches_seen[:12], batches_seen[12:]]
    assert all(order == orders[0] for order in orders)


def test_the_weights_of_replicates_differ_whatever_orders_their_data(workplace):
    starts = []
    for replicate in (1, 2):
        trunk = Trunk(workplace, (*LENET, "--data_order_seed=5", f"--replicate={replicate}"))
        trunk.find_tickets(levels=0)
        starts.append(weights(trunk.level(0), "ep0_it0"))
    assert not same(*starts)
