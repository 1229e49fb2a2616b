"""Learning rate rewinding: after pruning, training goes on from the learned weights; only the schedule restarts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

import training.step
from tests.open_lth.running import (
    INPUT,
    KINDS,
    LENET,
    RETRAINING,
    Trunk,
    is_kept,
    mask,
    means,
    measures,
    results,
    same,
    snapshot,
    weights,
)

STEPPED = ("--lr=0.1", "--milestone_steps=1ep3it", "--gamma=0.1")


@pytest.fixture
def rewound(trunk_of, kind) -> Trunk:
    """A copy of a finished lottery that rewinds the learning rate alone, of each kind."""
    return trunk_of(*KINDS[kind], "--lrr")


@pytest.fixture
def rates(monkeypatch) -> list[float]:
    """The learning rate of every training step."""
    found, original = [], training.step.TrainingStep.take

    def watching(steps):
        original(steps)
        found.append(steps.state.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(training.step.TrainingStep, "take", watching)
    return found


def place(trunk: Trunk, level: int) -> Path:
    """Return the run directory of a level: level 0 is the usual lottery's own."""
    return trunk.level(0) if level == 0 else trunk.directory / f"level_{level}" / "lrr"


def usual(trunk: Trunk) -> Trunk:
    """Return the lottery that rewinds weights, too, with the same root and otherwise the same flags."""
    return Trunk(trunk.workplace, tuple(word for word in trunk.words if word != "--lrr"))


def interrupt_at(monkeypatch, step: int) -> None:
    """Press Ctrl-C before a training step, counted over all levels."""
    original, steps = training.step.TrainingStep.take, iter(range(10**6))

    def watching(*args):
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGINT)
        original(*args)

    monkeypatch.setattr(training.step.TrainingStep, "take", watching)


def start_is_the_end_of_the_level_before(trunk: Trunk, level: int, step: str) -> bool:
    """Return whether a level starts from the trained network of the one before, under its own mask."""
    start, trained = weights(place(trunk, level), step), weights(place(trunk, level - 1), "ep2_it0")
    kept = mask(place(trunk, level))
    for name, tensor in kept.items():
        assert torch.equal(means(start, name), means(trained, name) * tensor)
        assert torch.equal(is_kept(start, name), tensor == 1)
        log_std = name.replace(".weight", "._weight_log_std")
        if log_std in start:
            assert torch.equal(start[log_std][tensor == 1], trained[log_std][tensor == 1])
    others = [key for key in start if "weight" not in key]
    return bool(others) and all(torch.equal(start[key], trained[key]) for key in others)


def test_the_experiment_has_the_name_of_the_usual_lottery(rewound):
    assert usual(rewound).directory == rewound.directory


def test_levels_lie_in_lrr_and_level_0_is_the_usual_one(rewound, finished, kind):
    base = f"{rewound.directory.parent.name}/replicate_1"
    directories = {file.rpartition("/")[0] for file in rewound.workplace.files()}
    assert directories == {f"{base}/level_0/main", f"{base}/level_1/lrr", f"{base}/level_2/lrr"}
    assert results(rewound.level(0)) == results(finished(*KINDS[kind]).level(0))


@pytest.mark.parametrize("first", ["main", "lrr"])
def test_level_0_is_trained_once_and_neither_disturbs_the_other(finished, trunk_of, kind, first, rates):
    """Whichever of the two commands comes first, the second trains levels 1 and 2 alone, to the bits it always has."""
    originals = {"main": finished(*KINDS[kind]), "lrr": finished(*KINDS[kind], "--lrr")}
    trunk = trunk_of(*(word for word in originals[first].words if word not in LENET))
    second = usual(trunk) if first == "lrr" else Trunk(trunk.workplace, (*trunk.words, "--lrr"))
    before = snapshot(trunk.workplace.root)
    rates.clear()
    second.find_tickets(levels=2)
    assert len(rates) == 24
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    together = results(originals["main"].directory) | results(originals["lrr"].directory)
    assert results(trunk.directory) == together


def test_a_level_starts_from_the_weights_learned_at_the_level_before_under_its_own_mask(rewound):
    assert all(start_is_the_end_of_the_level_before(rewound, level, "ep0_it0") for level in (1, 2))


def test_masks_prune_the_lowest_scores_of_its_own_levels(rewound, kind):
    for level in (1, 2):
        trained = weights(place(rewound, level - 1), "ep2_it0")
        score = means(trained, INPUT).abs()
        if kind == "bayesian":
            score = score / trained["fc_layers.0._weight_log_std"].exp()
        before = mask(place(rewound, level - 1))[INPUT] == 1
        after = mask(place(rewound, level))[INPUT] == 1
        assert bool((after <= before).all()) and not torch.equal(after, before)
        assert score[after].min() > score[before & ~after].max()


def test_masks_part_from_the_usual_ones_at_level_2(rewound, finished, kind):
    """Level 1 is pruned from the shared level 0; level 2 from weights that were trained in another way."""
    other = finished(*KINDS[kind])
    assert torch.equal(mask(place(rewound, 1))[INPUT], mask(other.level(1))[INPUT])
    assert not torch.equal(mask(place(rewound, 2))[INPUT], mask(other.level(2))[INPUT])


def test_training_moves_the_kept_weights_and_only_those(rewound):
    kept = mask(place(rewound, 2))[INPUT] == 1
    start, end = (weights(place(rewound, 2), step) for step in ("ep0_it0", "ep2_it0"))
    moved = means(start, INPUT) != means(end, INPUT)
    assert not bool(moved[~kept].any())
    assert float(moved[kept].float().mean()) > 0.5
    assert torch.equal(is_kept(end, INPUT), kept)


def test_the_schedule_restarts_at_every_level(workplace, rates):
    Trunk(workplace, (*LENET, *STEPPED, "--lrr")).find_tickets(levels=2)
    assert rates == pytest.approx(([0.1] * 9 + [0.01] * 3) * 3)


def test_with_rewinding_steps_the_schedule_restarts_there(workplace, rates):
    trunk = Trunk(workplace, (*LENET, *STEPPED, "--rewinding_steps=1ep", "--lrr"))
    trunk.find_tickets(levels=2)
    assert rates == pytest.approx([0.1] * 6 + ([0.1] * 3 + [0.01] * 3) * 3)
    for level in (1, 2):
        assert start_is_the_end_of_the_level_before(trunk, level, "ep1_it0")
        assert [i for name, i, _ in measures(place(trunk, level)) if name == "test_loss"] == [6, 12]
    assert (trunk.level("pretrain") / "logger").exists()


def test_a_finished_lottery_is_left_alone_and_can_be_extended(rewound):
    before = snapshot(rewound.workplace.root)
    rewound.find_tickets(levels=2)
    assert snapshot(rewound.workplace.root) == before
    rewound.find_tickets(levels=3)
    after = snapshot(rewound.workplace.root)
    assert {path: after[path] for path in before} == before
    assert start_is_the_end_of_the_level_before(rewound, 3, "ep0_it0")


@pytest.mark.parametrize("step", [5, 20, 31], ids=["level 0", "level 1", "level 2"])
def test_after_ctrl_c_it_goes_on_to_the_same_bits(workplace, finished, kind, monkeypatch, step):
    trunk = Trunk(workplace, (*LENET, *KINDS[kind], "--lrr"))
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        outcome = workplace.run("lottery", "--levels=2", "--quiet", *trunk.words)
    assert (outcome.code, outcome.out) == (130, "")
    assert not (place(trunk, 2) / "logger").exists()
    trunk.find_tickets(levels=2)
    assert results(trunk.directory) == results(finished(*KINDS[kind], "--lrr").directory)


def test_it_is_another_network_than_the_usual_lotterys(rewound, finished, kind):
    assert not same(weights(place(rewound, 2), "ep2_it0"), weights(finished(*KINDS[kind]).level(2), "ep2_it0"))


@pytest.mark.parametrize("branch", [("shuffle", "--seed=0"), ("reinit",), ("retrain", *RETRAINING)])
def test_branches_off_its_levels_are_refused(rewound, branch):
    before = snapshot(rewound.workplace.root)
    words = ("lottery_branch", *branch, "--levels=1", "--quiet", *rewound.words)
    assert "--lrr: branches start from rewound weights" in rewound.workplace.refused(*words)
    assert snapshot(rewound.workplace.root) == before


def test_its_levels_are_no_trunk_of_the_usual_branches(rewound):
    message = rewound.workplace.refused("lottery_branch", "reinit", "--levels=1", "--quiet", *usual(rewound).words)
    assert "level 1 of " in message and "is not there yet" in message
