"""The branch `oneshot`: a mask as dense as the level's, from the dense network, with its controls."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from foundations.hparams import hparam
from pruning import (
    STRATEGIES,
    GlobalPruningHparams,
    Mask,
    PruningHparams,
    register_global_strategy,
    shuffle_mask,
)
from tests.open_lth.running import INPUT, OUTPUT, ROTATIONS, density, mask, means, same, weights

SCORE = {"deterministic": "sparse_global", "bayesian": "sparse_global_mu"}


@pytest.fixture
def strategies(monkeypatch):
    """What is registered here is registered for the test alone."""
    monkeypatch.setattr(STRATEGIES, "_entries", dict(STRATEGIES._entries))
    return STRATEGIES


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


@pytest.mark.parametrize("strategy", ["sparse_layerwise", "sparse_snip"])
@pytest.mark.parametrize("level", [0, 2])
def test_it_is_as_dense_as_the_level_whatever_the_layers_lose_and_the_scores(trunk_of, strategy, level):
    trunk = trunk_of()
    branch = trunk.branch("oneshot", f"--strategy={strategy}", "--prune_at=end", levels=str(level))
    assert kept(branch) == pytest.approx(kept(trunk.level(level)), abs=len(mask(branch)) - 1)


def test_a_density_that_a_score_cannot_have_is_warned_of(trunk_of, strategies):
    def halves(model, mask, generator):
        return {name: (torch.arange(kept.numel()) % 2).view(kept.shape).float() for name, kept in mask.items()}

    register_global_strategy("sparse_halves", "every other weight", halves, ())
    trunk = trunk_of()
    outcome = trunk.workplace.run(
        "lottery_branch", "oneshot", "--strategy=sparse_halves", "--levels=1", "--quiet", *trunk.words
    )
    said = "keeps 50.63 % of the weights, the level 79.99 %"
    assert (outcome.code, outcome.err) == (0, f"warning: level_1/oneshot: sparse_halves {said}\n")


@dataclass(frozen=True, kw_only=True)
class WithDefault(GlobalPruningHparams):
    """Hyperparameters of a strategy's own."""

    sharpness: float = hparam("how sharp", 3.0)


@dataclass(frozen=True, kw_only=True)
class WithoutDefault(GlobalPruningHparams):
    """Hyperparameters of which one has to be given."""

    sharpness: float = hparam("how sharp")


def with_group(group, told):
    """A strategy that prunes by lot, and tells which hyperparameters it is given."""

    class Told(STRATEGIES.get("sparse_random")):
        @staticmethod
        def get_pruning_hparams():
            return group

        @classmethod
        def prune_in(cls, pruning_hparams, *circumstances):
            told.append(pruning_hparams)
            return super().prune_in(pruning_hparams, *circumstances)

    return Told


def test_a_strategys_own_hyperparameters_are_the_trunks_or_else_their_defaults(trunk_of, strategies):
    told = []
    strategies.register("sparse_told")(with_group(WithDefault, told))
    trunk_of("--pruning_layers_to_ignore=fc.weight").branch("oneshot", "--strategy=sparse_told")
    assert {(type(own), own.sharpness, own.pruning_layers_to_ignore) for own in told} == {(WithDefault, 3.0, OUTPUT)}


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (WithoutDefault, "needs --sharpness, which the trunk does not have"),
        (PruningHparams, "has no --pruning_fraction by which it could be as dense as a level"),
    ],
)
def test_a_strategy_that_cannot_have_its_hyperparameters_or_the_density_is_refused(trunk_of, strategies, group, reason):
    strategies.register("sparse_told")(with_group(group, []))
    trunk = trunk_of()
    command = ("lottery_branch", "oneshot", "--strategy=sparse_told", "--levels=1", "--quiet", *trunk.words)
    assert trunk.workplace.refused(*command) == f"error: --strategy=sparse_told: {reason}"


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
    trunk.branch("oneshot", "--strategy=sparse_global", "--prune_at=rewind")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy=sparse_magic",), "--strategy=sparse_magic: valid values are sparse_"),
        (("--strategy=snip",), "--strategy=snip: did you mean sparse_snip? valid values are sparse_"),
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
