"""A plugin's own hyperparameters in the groups of data, training and pruning, from the command line to their effect."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional as F

from datasets import TRAINING_CHANGES, DatasetHparams, LabelledImages
from foundations.extension import EXTENSIONS, extends
from foundations.hparams import Hparams, hparam
from pruning import STRATEGIES, PruningHparams, register_global_strategy
from tests.open_lth.running import LENET, measures, same, weights
from training import CALLBACKS, OBJECTIVES, TrainingHparams

LOTTERY = ("lottery", *LENET, "--levels=1", "--quiet")


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    """A field in each group, and what has to do with it."""
    for registry in (EXTENSIONS, TRAINING_CHANGES, OBJECTIVES, STRATEGIES, CALLBACKS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @extends(DatasetHparams)
    @dataclass(frozen=True, kw_only=True)
    class Shift(Hparams):
        label_shift: int = hparam("what is added to every label", 0)

    @extends(TrainingHparams)
    @dataclass(frozen=True, kw_only=True)
    class Smoothing(Hparams):
        smoothing: float = hparam("label smoothing", 0.0)

    @extends(PruningHparams)
    @dataclass(frozen=True, kw_only=True)
    class Power(Hparams):
        power: float = hparam("the power of |w|", 1.0)

    @TRAINING_CHANGES.register("shifted")
    def shifted(examples, hparams):
        return LabelledImages(examples.images, (examples.labels + hparams.label_shift) % 10)

    @OBJECTIVES.register("smoothed")
    def smoothed(model, images, labels, hparams):
        return F.cross_entropy(model(images), labels, label_smoothing=hparams.smoothing)

    def score(model, mask, generator, lottery):
        power = lottery.hparams["pruning_hparams"].power
        return {name: model.get_parameter(name).detach().abs() ** power for name in mask}

    register_global_strategy("sparse_power", "the smallest power of |w|", score, ("deterministic",))

    @CALLBACKS.register("note")
    def note(circumstances):
        told = circumstances.hparams["training_hparams"].smoothing
        (circumstances.paths.directory / "note.json").write_text(json.dumps(told))
        return lambda state: None


def directory(workplace, *words):
    workplace.done(*LOTTERY, *words)
    return workplace.place(*LOTTERY, *words)


def test_defaults_change_neither_names_nor_bits(workplace, monkeypatch):
    here = directory(workplace)
    monkeypatch.setattr(EXTENSIONS, "_entries", {})
    monkeypatch.setattr(TRAINING_CHANGES, "_entries", {})
    assert workplace.place(*LOTTERY) == here
    before = weights(here / "level_1/main", "ep2_it0")
    (here / "level_1/main/logger").unlink()
    workplace.done(*LOTTERY)
    assert same(weights(here / "level_1/main", "ep2_it0"), before)


def test_a_change_of_the_data(workplace):
    one, two = directory(workplace), directory(workplace, "--label_shift=1")
    assert one.parent != two.parent
    last = [dict((name, value) for name, _, value in measures(place / "level_0/main")) for place in (one, two)]
    assert last[1]["test_accuracy"] < 0.2 < last[0]["test_accuracy"]
    assert "* label_shift => 1" in (two / "level_0/main/hparams.log").read_text()


def test_a_loss_and_a_callback_are_told(workplace):
    plain = directory(workplace, "--objective=smoothed")
    smooth = directory(workplace, "--objective=smoothed", "--smoothing=0.3", "--callbacks=note")
    assert json.loads((smooth / "level_0/main/note.json").read_text()) == 0.3
    assert not same(weights(plain / "level_0/main", "ep2_it0"), weights(smooth / "level_0/main", "ep2_it0"))


def test_a_strategy_is_told_and_a_negative_power_prunes_the_largest(workplace):
    places = [directory(workplace, "--pruning_strategy=sparse_power", f"--power={power}") for power in (2, -1)]
    masks = [torch.load(place / "level_1/main/mask.pth")["fc_layers.0.weight"] for place in places]
    size = weights(places[0] / "level_0/main", "ep2_it0")["fc_layers.0.weight"].abs()
    means = [float(size[mask == 1].mean()) for mask in masks]
    assert means[0] > float(size.mean()) > means[1]


def test_a_strategy_of_oneshot_is_told_the_trunks(workplace):
    told = []

    @STRATEGIES.register("sparse_told")
    class Told(STRATEGIES.get("sparse_random")):
        @classmethod
        def prune_in(cls, pruning_hparams, *circumstances):
            told.append(pruning_hparams.power)
            return super().prune_in(pruning_hparams, *circumstances)

    directory(workplace, "--power=2")
    workplace.done("lottery_branch", "oneshot", "--strategy=sparse_told", *LOTTERY[1:], "--power=2")
    assert told == [2.0]


def test_a_branch_on_other_data_has_them_too(workplace):
    workplace.done(*LOTTERY)
    own = ("--retrain_d_dataset_name=digits", "--retrain_d_batch_size=64", "--retrain_d_label_shift=2")
    training = ("--retrain_t_training_steps=1it", "--retrain_t_optimizer_name=sgd", "--retrain_t_lr=0.1")
    words = ("lottery_branch", "retrain", *LENET, "--levels=1", "--quiet", *own, *training)
    workplace.done(*words)
    assert "* label_shift => 2" in (workplace.place(*words) / "hparams.log").read_text()
