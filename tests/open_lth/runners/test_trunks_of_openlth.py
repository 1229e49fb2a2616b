"""Results that OpenLTH itself wrote: they are recognised, gone on with, and branched off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from models import ModelHparams, build_network
from tests.open_lth.running import LENET, density, is_kept, mask, means, measures, snapshot, weights

MODEL = {"model_name": "mnist_lenet_12", "model_init": "kaiming_normal", "batchnorm_init": "uniform"}
LAYERS = ("fc_layers.0.weight", "fc_layers.1.weight", "fc.weight")
THEIR_BRANCH = "lottery_branch_randomly_reinitialize_7b99794732481fff503d5290ee43fb4b"


def save_as_openlth(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Save a network where a run has it, without a checksum."""
    path.parent.mkdir(parents=True)
    torch.save(state, path)


def test_a_finished_lottery_of_openlth_is_done(openlth_trunk):
    before = snapshot(openlth_trunk.workplace.root)
    openlth_trunk.find_tickets(levels=2)
    assert snapshot(openlth_trunk.workplace.root) == before


def test_a_finished_branch_of_openlth_is_done(openlth_trunk):
    before = snapshot(openlth_trunk.workplace.root)
    assert openlth_trunk.branch("randomly_reinitialize").name == THEIR_BRANCH
    assert snapshot(openlth_trunk.workplace.root) == before


def test_openlths_masks_come_out_again_to_the_weight(openlth_trunk):
    """Pruned anew from OpenLTH's trained networks, levels 1 and 2 have OpenLTH's masks."""
    for level in (1, 2):
        theirs = mask(openlth_trunk.level(level))
        (openlth_trunk.level(level) / "mask.pth").unlink()
        (openlth_trunk.level(level) / "logger").unlink()
        (openlth_trunk.level(level) / "checkpoint.pth").unlink()
        kept = {path: path.read_bytes() for path in openlth_trunk.level(level).glob("model_*")}
        openlth_trunk.find_tickets(levels=level)
        ours = mask(openlth_trunk.level(level))
        assert all(torch.equal(ours[name], theirs[name].int()) for name in LAYERS)
        for path, content in kept.items():  # the next level is to be pruned from OpenLTH's network, not from ours
            path.write_bytes(content)
            path.with_name(f".{path.name}.sha256").unlink()


def test_level_3_is_trained_on_top_of_openlths_level_2(openlth_trunk):
    before = snapshot(openlth_trunk.workplace.root)
    openlth_trunk.find_tickets(levels=3)
    after = snapshot(openlth_trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    kept, below = mask(openlth_trunk.level(3)), mask(openlth_trunk.level(2))
    assert density(kept) == pytest.approx(0.512, abs=1e-3)
    assert all(bool((kept[name] <= below[name]).all()) for name in LAYERS)
    initial, start = weights(openlth_trunk.level(0), "ep0_it0"), weights(openlth_trunk.level(3), "ep0_it0")
    assert all(torch.equal(start[name], initial[name] * kept[name]) for name in LAYERS)
    assert [i for name, i, _ in measures(openlth_trunk.level(3)) if name == "test_loss"] == [0, 20]


@pytest.mark.parametrize("level", [1, 2])
def test_a_random_mask_off_openlths_levels_starts_from_its_unpruned_initial_weights(openlth_trunk, level):
    branch = openlth_trunk.branch("randomly_prune", "--seed=0", levels=str(level))
    assert branch.parent == openlth_trunk.level(level).parent
    shuffled, old = mask(branch), mask(openlth_trunk.level(level))
    initial, start = weights(openlth_trunk.level(0), "ep0_it0"), weights(branch, "ep0_it0")
    for name in LAYERS[:2]:
        assert not torch.equal(shuffled[name], old[name])
        assert int(shuffled[name].sum()) == int(old[name].sum())
    assert all(torch.equal(start[name], initial[name] * shuffled[name]) for name in LAYERS)
    assert (branch / "logger").exists()


@pytest.mark.parametrize("level", [1, 2])
def test_openlths_tickets_are_trained_with_new_weights(openlth_trunk, level):
    branch = openlth_trunk.branch("randomly_reinitialize", "--start_at_step_zero", levels=str(level))
    assert branch.name != THEIR_BRANCH
    old, new = mask(openlth_trunk.level(level)), mask(branch)
    initial, start = weights(openlth_trunk.level(0), "ep0_it0"), weights(branch, "ep0_it0")
    for name in LAYERS:
        kept = old[name] == 1
        assert torch.equal(new[name] == 1, kept)
        assert not bool((start[name] == initial[name])[kept].any())
        assert not bool(start[name][~kept].any())


@pytest.mark.parametrize("level", [1, 2])
def test_openlths_tickets_are_retrained_under_other_hyperparameters(openlth_trunk, level):
    data = ("--retrain_d_dataset_name=mnist", "--retrain_d_batch_size=256", "--retrain_d_subsample_fraction=0.02")
    words = (*data, "--retrain_t_training_steps=1ep", "--retrain_t_lr=0.01", "--retrain_t_optimizer_name=sgd")
    branch = openlth_trunk.branch("retrain", *words, levels=str(level))
    initial, kept = weights(openlth_trunk.level(0), "ep0_it0"), mask(openlth_trunk.level(level))
    start = weights(branch, "ep0_it0")
    assert all(torch.equal(start[name], initial[name] * kept[name]) for name in LAYERS)
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [0, 5]
    assert (branch / "model_ep1_it0.pth").exists()


def test_openlths_trained_weights_can_be_gone_on_with(openlth_trunk):
    branch = openlth_trunk.branch("randomly_prune", "--seed=0", "--strategy=identity", "--start_at=end")
    trained = weights(openlth_trunk.level(1), "ep2_it0")
    start = weights(branch, "ep0_it0")
    assert all(torch.equal(start[name], trained[name]) for name in trained)


@pytest.mark.parametrize("level", [1, 2])
def test_openlths_tickets_are_transplanted(openlth_trunk, level):
    branch = openlth_trunk.branch("transplant", "--bayesian_samples=2", levels=str(level))
    initial, kept = weights(openlth_trunk.level(0), "ep0_it0"), mask(openlth_trunk.level(level))
    start, end = weights(branch, "ep0_it0"), weights(branch, "ep2_it0")
    for name in LAYERS:
        assert torch.equal(means(start, name), initial[name] * kept[name])
        assert torch.equal(is_kept(end, name), kept[name] == 1)
    assert "train_kl" in {name for name, _, _ in measures(branch)}


def test_a_level_that_openlth_left_unfinished_is_finished(openlth_trunk):
    level = openlth_trunk.level(2)
    theirs = measures(level)
    (level / "logger").unlink()
    (level / "model_ep2_it0.pth").unlink()
    half = torch.load(level / "checkpoint.pth", weights_only=False)
    assert isinstance(half["ep"], np.integer) and isinstance(
        half["optimizer_state_dict"]["param_groups"][0]["lr"], np.floating
    )
    half["ep"] = np.int64(1)
    half["model_state_dict"]["model.fc_layers.0.weight"] += 0.001  # as a step of OpenLTH leaves pruned weights
    half["logger"] = "\n".join(half["logger"].splitlines()[:3])
    torch.save(half, level / "checkpoint.pth")
    openlth_trunk.find_tickets(levels=2)
    assert [one for one in measures(level) if one[1] == 0] == [one for one in theirs if one[1] == 0]
    assert [iteration for name, iteration, _ in measures(level) if name == "test_loss"] == [0, 20]
    trained, kept = weights(level, "ep2_it0"), mask(level)
    assert all(not torch.equal(trained[name], half["model_state_dict"][f"model.{name}"]) for name in LAYERS)
    assert all(not bool(trained[name][kept[name] == 0].any()) for name in LAYERS)


def test_a_network_of_openlth_keeps_its_number_of_outputs(workplace):
    """OpenLTH gave imagenet_resnet_18 1000 outputs on CIFAR-10, and four rotations 10."""
    words = ("lottery", *LENET, "--unsupervised_labels=rotation", "--quiet")
    level = workplace.place(*words, "--levels=0") / "level_0" / "main"
    save_as_openlth(level / "model_ep0_it0.pth", build_network(ModelHparams(**MODEL), 10, seed=1).state_dict())
    workplace.done(*words, "--levels=1")
    for number in (0, 1):
        trained = weights(level.parent.parent / f"level_{number}" / "main", "ep2_it0")
        assert trained["fc.weight"].shape == (10, 12)
    assert mask(level)["fc.weight"].shape == (10, 12)
    workplace.done("evaluate", *words, "--levels=1", "--passes=1")
    branch = ("lottery_branch", "reinit", *words[1:], "--levels=1")
    workplace.done(*branch)
    assert weights(workplace.place(*branch), "ep2_it0")["fc.weight"].shape == (10, 12)
    transplanted = ("lottery_branch", "transplant", *words[1:], "--levels=1", "--bayesian_samples=2")
    workplace.done(*transplanted)


def test_a_training_of_openlth_keeps_its_number_of_outputs(workplace):
    words = ("train", *LENET, "--unsupervised_labels=rotation", "--quiet")
    directory = workplace.place(*words)
    save_as_openlth(directory / "model_ep0_it0.pth", build_network(ModelHparams(**MODEL), 10, seed=1).state_dict())
    workplace.done(*words)
    assert weights(directory, "ep2_it0")["fc.weight"].shape == (10, 12)
    workplace.done("evaluate", *words, "--passes=1")


def test_layers_to_ignore_that_are_none_are_refused_at_first_and_reported_in_what_is_there(workplace):
    words = ("lottery", *LENET, "--pruning_layers_to_ignore=fc.weight,fd.weight", "--quiet")
    assert "--pruning_layers_to_ignore=fc.weight,fd.weight: valid values are " in workplace.refused(
        *words, "--levels=1"
    )
    level = workplace.place(*words, "--levels=0") / "level_0" / "main"
    level.mkdir(parents=True)
    (level / "hparams.log").write_text("Dataset Hyperparameters\n")
    outcome = workplace.run(*words, "--levels=1")
    assert outcome.code == 0
    assert outcome.err == "warning: --pruning_layers_to_ignore: fd.weight: no such tensor, so nothing is kept\n"
    assert bool(mask(level.parent.parent / "level_1" / "main")["fc.weight"].all())
