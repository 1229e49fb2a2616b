"""The branch `oneshot`: a mask as dense as the level's, from the dense network, with its controls."""

from __future__ import annotations

import pytest
import torch

from pruning import Mask, shuffle_mask
from tests.open_lth.running import INPUT, ROTATIONS, density, mask, means, same, weights

SCORE = {"deterministic": "sparse_global", "bayesian": "sparse_global_mu"}


def kept(directory):
    return sum(int(tensor.sum()) for tensor in mask(directory).values())


@pytest.mark.parametrize("strategy", ["sparse_random", "sparse_synflow"])
def test_it_is_as_dense_as_the_level_and_starts_from_the_weights_of_level_0(trunk, strategy):
    branch = trunk.branch("oneshot", f"--strategy={strategy}", levels="2")
    assert kept(branch) == kept(trunk.level(2))
    assert not same(mask(branch), mask(trunk.level(2)))
    start, dense = weights(branch, "ep0_it0"), weights(trunk.level(0), "ep0_it0")
    assert torch.equal(means(start, INPUT), means(dense, INPUT) * mask(branch)[INPUT])
    assert not same(start, weights(branch, "ep2_it0"))


@pytest.mark.parametrize(("prune_at", "step"), [("init", "ep0_it0"), ("end", "ep2_it0")])
def test_what_is_judged_are_the_dense_networks_weights_then(trunk, kind, prune_at, step):
    branch = trunk.branch("oneshot", f"--strategy={SCORE[kind]}", f"--prune_at={prune_at}")
    dense, pruned = weights(trunk.level(0), step), {n: m == 0 for n, m in mask(branch).items() if not m.all()}
    sizes = {name: means(dense, name).abs() for name in pruned}
    most_pruned = max(float(size[pruned[name]].max()) for name, size in sizes.items())
    assert most_pruned <= min(float(size[~pruned[name]].min()) for name, size in sizes.items())


def test_trained_magnitudes_pruned_once_by_one_level_are_the_lotterys_first(trunk, kind):
    strategy = {"deterministic": "sparse_global", "bayesian": "sparse_global_snr"}[kind]
    branch = trunk.branch("oneshot", f"--strategy={strategy}", "--prune_at=end")
    assert same(mask(branch), mask(trunk.level(1)))
    assert (branch / "model_ep2_it0.pth").read_bytes() == (trunk.level(1) / "model_ep2_it0.pth").read_bytes()


def test_the_controls_shuffle_the_mask_within_layers_or_draw_new_weights_under_it(trunk):
    words = ("--strategy=sparse_snip",)
    plain = trunk.branch("oneshot", *words)
    shuffled = trunk.branch("oneshot", *words, "--control=shuffle", "--seed=3")
    again = trunk.branch("oneshot", *words, "--control=reinit")
    assert same(mask(shuffled), shuffle_mask(Mask(mask(plain)), "layerwise", 3))
    assert same(mask(again), mask(plain))
    starts = [means(weights(place, "ep0_it0"), INPUT) for place in (plain, again)]
    assert torch.equal(starts[0] == 0, starts[1] == 0) and not torch.equal(*starts)
    assert density(mask(shuffled)) == density(mask(plain)) == density(mask(again))


def test_what_the_trunk_never_prunes_is_kept(finished, trunk_of):
    trunk = trunk_of("--pruning_layers_to_ignore=fc.weight")
    assert mask(trunk.branch("oneshot", "--strategy=sparse_grasp"))["fc.weight"].all()


def test_a_lottery_that_rewinds_is_judged_at_its_initial_weights_and_trained_from_its_rewinding_step(trunk_of):
    trunk = trunk_of("--rewinding_steps=1ep")
    branch = trunk.branch("oneshot", "--strategy=sparse_random")
    assert (branch / "model_ep1_it0.pth").exists()
    late = trunk.branch("oneshot", "--strategy=sparse_global", "--prune_at=rewind")
    first = trunk.branch("oneshot", "--strategy=sparse_global", "--prune_at=init")
    assert not same(mask(late), mask(first))


@pytest.mark.parametrize("strategy", ["sparse_snip", "sparse_global"])
def test_weights_before_pretraining_on_other_classes_are_refused_and_leave_nothing(trunk_of, strategy):
    trunk = trunk_of(*ROTATIONS)
    before = sorted(trunk.workplace.root.rglob("*"))
    words = ("lottery_branch", "oneshot", "--levels=1", "--quiet", *trunk.words, f"--strategy={strategy}")
    assert trunk.workplace.refused(*words) == (
        "error: the trunk has no weights at 0ep0it: it was pretrained on another number of classes; "
        "the first that fit are those at 1ep0it"
    )
    assert sorted(trunk.workplace.root.rglob("*")) == before
    trunk.branch("oneshot", f"--strategy={strategy}", "--prune_at=rewind")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy=sparse_magic",), "--strategy=sparse_magic: valid values are sparse_"),
        (("--strategy=sparse_global_snr",), "--strategy=sparse_global_snr: is for bayesian networks"),
        (("--strategy=sparse_snip", "--prune_at=later"), "--prune_at=later: valid values are init, rewind, end"),
        (("--strategy=sparse_snip", "--control=both"), "--control=both: valid values are none, shuffle, reinit"),
        ((), "--strategy is required"),
    ],
)
def test_mistakes_are_refused_and_leave_nothing(trunk_of, words, message):
    trunk = trunk_of()
    before = trunk.workplace.files()
    found = trunk.workplace.refused("lottery_branch", "oneshot", "--levels=1", "--quiet", *trunk.words, *words)
    assert message in found
    assert trunk.workplace.files() == before


def test_a_layer_that_is_pruned_away_is_warned_of(trunk_of, kind):
    """The input layer's weights start smaller than the 880 others, and only 411 are kept."""
    if kind != "deterministic":
        pytest.skip("the same code")
    layerwise = ("--pruning_strategy=sparse_layerwise", "--pruning_fraction=0.8", "--pruning_layers_to_ignore=")
    trunk = trunk_of("--default_hparams=mnist_lenet_12_40", *layerwise)
    command = ("lottery_branch", "oneshot", "--strategy=sparse_global", "--levels=2", "--quiet", *trunk.words)
    outcome = trunk.workplace.run(*command)
    assert outcome.code == 0
    assert outcome.err == "warning: level_2/oneshot: pruned away whole: fc_layers.0.weight\n"
