"""The branch `shuffle`: a random mask of the same density on the weights that level 0 started from."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.open_lth.running import (
    INPUT,
    KINDS,
    LENET,
    OUTPUT,
    Trunk,
    Workplace,
    density,
    is_kept,
    mask,
    means,
    measures,
    same,
    weights,
)

SHUFFLES = ("layerwise", "global", "even")


@pytest.fixture(scope="module")
def shuffled(finished, tmp_path_factory) -> Callable[[str, str], tuple[Trunk, Path]]:
    """Return a lottery of a kind and a shuffle of its level 2, trained once for each strategy; not to be changed."""

    @functools.cache
    def find(kind: str, strategy: str) -> tuple[Trunk, Path]:
        original, place = finished(*KINDS[kind]), tmp_path_factory.mktemp("shuffled")
        shutil.copytree(original.workplace.root, place / "results")
        trunk = Trunk(Workplace(place / "results", original.workplace.dataset_root), original.words)
        return trunk, trunk.branch("shuffle", "--seed=0", f"--strategy={strategy}", levels="2")

    return find


def kept_in(tensors) -> dict[str, int]:
    return {name: int(tensor.sum()) for name, tensor in tensors.items()}


@pytest.mark.parametrize("strategy", [*SHUFFLES, "identity"])
def test_the_density_is_the_levels_own(shuffled, kind, strategy):
    trunk, branch = shuffled(kind, strategy)
    assert density(mask(branch)) == density(mask(trunk.level(2)))


@pytest.mark.parametrize("strategy", SHUFFLES)
def test_the_mask_really_changes(shuffled, kind, strategy):
    trunk, branch = shuffled(kind, strategy)
    old, new = mask(trunk.level(2))[INPUT], mask(branch)[INPUT]
    agreement = float((old == new).float().mean())
    assert agreement == pytest.approx(0.64**2 + 0.36**2, abs=0.03)  # that of two independent masks


@pytest.mark.parametrize("strategy", [*SHUFFLES, "identity"])
def test_no_shuffled_ticket_is_half_dead_because_its_weights_come_from_level_0(shuffled, kind, strategy):
    trunk, branch = shuffled(kind, strategy)
    initial, start, kept = weights(trunk.level(0), "ep0_it0"), weights(branch, "ep0_it0"), mask(branch)
    for name in kept:
        assert torch.equal(means(start, name), means(initial, name) * kept[name])
        assert torch.equal(is_kept(start, name), kept[name] == 1)
        assert bool((means(start, name)[kept[name] == 1] != 0).all())


@pytest.mark.parametrize("strategy", [*SHUFFLES, "identity"])
def test_training_keeps_to_the_new_mask(shuffled, kind, strategy):
    _, branch = shuffled(kind, strategy)
    end, kept = weights(branch, "ep2_it0"), mask(branch)
    assert all(torch.equal(is_kept(end, name), kept[name] == 1) for name in kept)
    assert not same(end, weights(branch, "ep0_it0"))
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [0, 6, 12]


def test_layerwise_keeps_every_layers_density(trunk):
    assert kept_in(mask(trunk.branch("shuffle", "--seed=0"))) == kept_in(mask(trunk.level(1)))


def test_layerwise_is_what_happens_unless_told_otherwise(trunk):
    default = trunk.branch("shuffle", "--seed=0")
    assert default == trunk.branch("shuffle", "--seed=0", "--strategy=layerwise", "--start_at=rewind")


def test_global_lets_densities_move_between_layers(shuffled, kind):
    """The output layer, which the lottery never prunes, gets the others' density, up to chance."""
    _, branch = shuffled(kind, "global")
    assert density({OUTPUT: mask(branch)[OUTPUT]}) == pytest.approx(0.64, abs=0.15)


def test_even_gives_each_layer_the_mean_density_up_to_one_weight(shuffled, kind):
    """And not the sparsity."""
    trunk, branch = shuffled(kind, "even")
    mean = density(mask(trunk.level(2)))
    for tensor in mask(branch).values():
        assert abs(int(tensor.sum()) - mean * tensor.numel()) <= 1


def test_identity_keeps_the_mask_and_so_trains_the_ticket_again(trunk):
    branch = trunk.branch("shuffle", "--seed=0", "--strategy=identity")
    for file in ("mask.pth", "model_ep0_it0.pth", "model_ep2_it0.pth", "logger"):
        assert (branch / file).read_bytes() == (trunk.level(1) / file).read_bytes()


@pytest.mark.parametrize("strategy", SHUFFLES)
def test_ignored_layers_are_dense_whatever_was_shuffled(trunk, strategy):
    words = ("--seed=0", f"--strategy={strategy}")
    branch = trunk.branch("shuffle", *words, f"--layers_to_ignore={INPUT}", levels="2")
    usual = trunk.branch("shuffle", *words, levels="2")
    assert bool((mask(branch)[INPUT] == 1).all())
    assert torch.equal(mask(branch)[OUTPUT], mask(usual)[OUTPUT])


@pytest.mark.parametrize("strategy", SHUFFLES)
def test_a_kept_layer_takes_no_part_and_the_density_stays(trunk, strategy):
    branch = trunk.branch("shuffle", "--seed=0", f"--strategy={strategy}", f"--layers_to_keep={OUTPUT}", levels="2")
    level = mask(trunk.level(2))
    assert torch.equal(mask(branch)[OUTPUT], level[OUTPUT]) and density(mask(branch)) == density(level)
    assert not torch.equal(mask(branch)[INPUT], level[INPUT])


def test_with_seeds_of_their_own_levels_are_separate_draws(trunk):
    """What a sparser level keeps lies among what the level before keeps, unless each draws by itself."""

    def nested(*words: str) -> float:
        more, fewer = (mask(trunk.branch("shuffle", "--seed=0", *words, levels=str(level)))[INPUT] for level in (1, 2))
        return float((more * fewer).sum() / fewer.sum())

    assert nested() == 1.0
    assert nested("--level_seeds") == pytest.approx(density(mask(trunk.level(1))), abs=0.03)


@pytest.mark.parametrize("strategy", SHUFFLES)
def test_the_seed_decides_the_mask(trunk, strategy):
    branches = [trunk.branch("shuffle", f"--seed={seed}", f"--strategy={strategy}") for seed in (0, 1)]
    assert branches[0] != branches[1]
    assert not torch.equal(*(mask(branch)[INPUT] for branch in branches))


def test_one_seed_gives_replicates_one_mask(finished, trunk_of):
    second = trunk_of("--replicate=2")
    first = Trunk(second.workplace, LENET)
    first.find_tickets(levels=1)
    masks = [mask(trunk.branch("shuffle", "--seed=0"))[INPUT] for trunk in (first, second)]
    assert torch.equal(*masks)


def test_end_starts_from_level_0s_trained_weights(trunk):
    branch = trunk.branch("shuffle", "--seed=0", "--start_at=end")
    trained, start, kept = weights(trunk.level(0), "ep2_it0"), weights(branch, "ep0_it0"), mask(branch)
    for name in kept:
        assert torch.equal(means(start, name), means(trained, name) * kept[name])
    assert all(torch.equal(start[key], trained[key]) for key in start if key.endswith("bias"))


def test_identity_at_the_end_goes_on_from_the_levels_own_trained_weights(trunk):
    branch = trunk.branch("shuffle", "--seed=0", "--strategy=identity", "--start_at=end", levels="2")
    assert same(weights(branch, "ep0_it0"), weights(trunk.level(2), "ep2_it0"))


@pytest.mark.parametrize(
    ("start_at", "source", "state", "first"),
    [("init", "pretrain", "ep0_it0", "ep0_it0"), ("rewind", 0, "ep1_it0", "ep1_it0"), ("end", 0, "ep2_it0", "ep0_it0")],
)
def test_off_a_rewinding_trunk_init_rewind_and_end_are_three_starts(trunk_of, kind, start_at, source, state, first):
    trunk = trunk_of(*KINDS[kind], "--rewinding_steps=1ep")
    branch = trunk.branch("shuffle", "--seed=0", f"--start_at={start_at}")
    source_state, start, kept = weights(trunk.level(source), state), weights(branch, first), mask(branch)
    for name in kept:
        assert torch.equal(means(start, name), means(source_state, name) * kept[name])
    assert {path.name for path in branch.glob("model_*")} == {f"model_{first}.pth", "model_ep2_it0.pth"}


def test_without_rewinding_init_and_rewind_are_the_same_start(trunk):
    branches = [trunk.branch("shuffle", "--seed=0", f"--start_at={start}") for start in ("init", "rewind")]
    assert branches[0] != branches[1]
    assert same(*(weights(branch, "ep2_it0") for branch in branches))


def test_a_shuffle_of_level_0_trains_the_dense_network(trunk):
    branch = trunk.branch("shuffle", "--seed=0", levels="0")
    assert density(mask(branch)) == 1.0
    assert same(weights(branch, "ep2_it0"), weights(trunk.level(0), "ep2_it0"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--strategy=odd",), "--strategy=odd: valid values are layerwise, global, even, identity"),
        (("--start_at=middle",), "--start_at=middle: valid values are init, rewind, end"),
        ((f"--layers_to_ignore={OUTPUT},no,nothing",), f"=fc.weight,no,nothing: valid values are {INPUT}, {OUTPUT}"),
    ],
)
def test_wrong_arguments_are_refused_with_the_valid_ones_and_leave_nothing(trunk, words, expected):
    before = sorted(trunk.workplace.root.rglob("*"))
    command = ("lottery_branch", "shuffle", "--levels=1-2", "--seed=0", *trunk.words, *words, "--quiet")
    assert expected in trunk.workplace.refused(*command)
    assert sorted(trunk.workplace.root.rglob("*")) == before
