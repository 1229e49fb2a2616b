"""The branch `retrain`: the ticket under other hyperparameters."""

from __future__ import annotations

import pytest
import torch

from tests.open_lth.running import (
    INPUT,
    KINDS,
    OUTPUT,
    RETRAINING,
    is_kept,
    mask,
    means,
    measures,
    same,
    snapshot,
    weights,
)
from training import OBJECTIVES


def test_the_ticket_starts_as_it_started_in_its_trunk(trunk):
    branch = trunk.branch("retrain", *RETRAINING, "--retrain_t_lr=0.02", levels="2")
    assert same(weights(branch, "ep0_it0"), weights(trunk.level(2), "ep0_it0"))
    assert (branch / "mask.pth").read_bytes() == (trunk.level(2) / "mask.pth").read_bytes()


def test_under_the_trunks_own_hyperparameters_it_ends_as_it_ended_there(trunk, kind):
    adam = ("--retrain_t_optimizer_name=adam", "--retrain_t_lr=0.01", "--retrain_t_weight_decay=1e-4")
    words = {"deterministic": (), "bayesian": (*adam, "--retrain_t_milestone_steps=80ep", "--retrain_t_gamma=0.1")}[
        kind
    ]
    branch = trunk.branch("retrain", *RETRAINING, *words)
    for file in ("model_ep2_it0.pth", "logger"):
        assert (branch / file).read_bytes() == (trunk.level(1) / file).read_bytes()


@pytest.mark.parametrize(
    "word",
    [
        "--retrain_t_lr=0.03",
        "--retrain_t_optimizer_name=adam",
        "--retrain_d_subsample_fraction=0.9",
        "--retrain_d_transformation_seed=1",
        "--retrain_t_warmup_steps=1ep",
    ],
)
def test_another_hyperparameter_makes_another_network(finished, trunk_of, word):
    trunk = trunk_of()
    if "transformation_seed" in word:
        word_and_need = (word, "--retrain_d_subsample_fraction=0.9")
        usual = trunk.branch("retrain", *RETRAINING, "--retrain_d_subsample_fraction=0.9")
    else:
        word_and_need, usual = (word,), trunk.level(1)
    branch = trunk.branch("retrain", *RETRAINING, *word_and_need)
    assert not same(weights(branch, "ep2_it0"), weights(usual, "ep2_it0"))


def test_another_batch_size_makes_other_epochs(trunk):
    words = ("--retrain_d_batch_size=100", "--retrain_t_training_steps=1ep3it")
    branch = trunk.branch("retrain", *RETRAINING, *words)
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [0, 15, 18]
    assert (branch / "model_ep1_it3.pth").exists()


def test_pruned_weights_stay_pruned(trunk):
    branch = trunk.branch("retrain", *RETRAINING, levels="2")
    end, kept = weights(branch, "ep2_it0"), mask(trunk.level(2))
    assert all(torch.equal(is_kept(end, name), kept[name] == 1) for name in (INPUT, OUTPUT))


@pytest.mark.parametrize(("words", "first"), [((), 6), (("--start_at_step_zero",), 0)])
def test_off_a_rewinding_trunk_the_schedule_begins_at_the_rewinding_step_unless_told_otherwise(
    trunk_of, kind, words, first
):
    trunk = trunk_of(*KINDS[kind], "--rewinding_steps=1ep")
    branch = trunk.branch("retrain", *RETRAINING, *words)
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [*range(first, 12, 6), 12]
    start = weights(branch, f"ep{first // 6}_it0")
    learned = weights(trunk.level(1), "ep1_it0")
    assert all(torch.equal(means(start, name), means(learned, name)) for name in (INPUT, OUTPUT))


@pytest.mark.parametrize("steps", ["1ep", "3ep"])
def test_a_finished_branch_is_left_alone_however_long_it_trained(trunk, steps):
    words = (*RETRAINING, f"--retrain_t_training_steps={steps}")
    branch = trunk.branch("retrain", *words)
    before = snapshot(branch)
    trunk.branch("retrain", *words)
    assert snapshot(branch) == before


def test_data_of_another_shape_are_refused_by_the_flags_full_name(trunk):
    words = ("lottery_branch", "retrain", "--levels=1", *trunk.words, *RETRAINING, "--quiet")
    before = sorted(trunk.workplace.root.rglob("*"))
    message = trunk.workplace.refused(*words, "--retrain_d_dataset_name=cifar10")
    assert "--retrain_d_dataset_name=cifar10: its images of 3x32x32 do not fit mnist_lenet_12" in message
    assert sorted(trunk.workplace.root.rglob("*")) == before


def test_data_with_other_classes_are_refused(trunk):
    words = ("lottery_branch", "retrain", "--levels=1", *trunk.words, *RETRAINING, "--quiet")
    message = trunk.workplace.refused(*words, "--retrain_d_unsupervised_labels=rotation")
    assert "4 classes" in message and "found with 10" in message
    assert not list(trunk.level(1).parent.glob("lottery_branch_*"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--retrain_t_lr=0", "--retrain_t_lr=0"),
        ("--retrain_t_lr=fast", "--retrain_t_lr=fast: must be a number"),
        ("--retrain_t_training_steps=2", "--retrain_t_training_steps=2"),
        ("--retrain_d_batch_size=0", "--retrain_d_batch_size=0: must be at least 1"),
        ("--retrain_d_dataset_name=digit", "--retrain_d_dataset_name=digit: did you mean digits? valid values are "),
        ("--retrain_t_optimizer_name=sdg", "--retrain_t_optimizer_name=sdg: valid values are sgd, adam"),
    ],
)
def test_wrong_values_are_refused_by_the_flags_full_name(finished, word, expected):
    trunk = finished()
    words = ("lottery_branch", "retrain", "--levels=1", *trunk.words, *RETRAINING, word, "--quiet")
    assert expected in trunk.workplace.refused(*words)


def test_an_objective_that_the_network_has_none_of_is_refused_by_the_flags_full_name(finished, monkeypatch):
    monkeypatch.setattr(OBJECTIVES, "_entries", {**OBJECTIVES._entries, "hinge": None})
    trunk = finished(*KINDS["bayesian"])
    words = (
        "lottery_branch",
        "retrain",
        "--levels=1",
        *trunk.words,
        *RETRAINING,
        "--retrain_t_objective=hinge",
        "--quiet",
    )
    expected = "error: --retrain_t_objective=hinge: a bayesian network is trained with cross_entropy"
    assert trunk.workplace.refused(*words) == expected


def test_what_is_missing_is_named_beside_the_trunks_own_values(finished):
    trunk = finished()
    words = ("lottery_branch", "retrain", "--levels=1", *trunk.words, "--quiet")
    assert trunk.workplace.refused(*words) == (
        "error: --retrain_d_dataset_name is required: the data set; the trunk's own are "
        "--retrain_d_batch_size=256 --retrain_d_dataset_name=digits"
    )
    assert trunk.workplace.refused(*words, *RETRAINING[:2]) == (
        "error: --retrain_t_optimizer_name is required: the optimiser: sgd, adam; the trunk's own are "
        "--retrain_t_lr=0.1 --retrain_t_optimizer_name=sgd --retrain_t_training_steps=2ep"
    )
