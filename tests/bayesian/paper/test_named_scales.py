"""The scales that come along: their commands are understood, paired, and the paper's where they say so."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest

from bayesian.paper.scale import NAMED_SCALES
from open_lth.command import read_command
from open_lth.suites import SUITES, Experiment, in_order, with_replicates
from open_lth.suites.scales import read_scale
from tests.contracts.table import read_trainings
from training import TrainingRun

NAMES = list(NAMED_SCALES)


def experiments(name: str, *figures: str) -> list[Experiment]:
    """Return the experiments of figures, or of all, in one replicate."""
    scale = with_replicates(read_scale(name), 1)
    chosen = figures or [figure for figure, _ in SUITES.items()]
    return in_order([one for figure in chosen for one in SUITES.get(figure).series(scale)])


@cache
def trainings(experiment: Experiment) -> list[TrainingRun]:
    return read_command(experiment.command)[0]


@pytest.mark.parametrize("scale", NAMES)
def test_every_command_is_understood_and_every_trunk_has_the_levels_that_its_branches_need(scale):
    made: set[Path] = set()
    for experiment in experiments(scale):
        runs = trainings(experiment)
        if experiment.command[0] == "lottery":
            made |= {run.paths.directory for run in runs}
        elif experiment.command[0] == "evaluate":
            assert {run.paths.directory for run in runs} <= made
        else:
            assert {run.paths.trunk.directory for run in runs} <= made


@pytest.mark.parametrize("scale", NAMES)
def test_no_two_experiments_train_the_same_network(scale):
    """They would wait for each other's lock; level 0, which comes before learning rate rewinding, is shared."""
    seen: dict[Path, Experiment] = {}
    for experiment in experiments(scale):
        if experiment.command[0] != "evaluate":
            for run in trainings(experiment):
                other = seen.setdefault(run.paths.directory, experiment)
                assert other is experiment or other in experiment.after


@pytest.mark.parametrize("scale", NAMES)
def test_deterministic_and_bayesian_networks_are_paired(scale):
    tickets = [trainings(experiment)[0] for experiment in experiments(scale, "2")]
    assert len(tickets) == 2 * len(read_scale(scale)["networks"])
    for left, right in zip(tickets[::2], tickets[1::2], strict=True):
        assert (left.variant.name, right.variant.name) == ("deterministic", "bayesian")
        assert left.model_hparams == right.model_hparams
        assert left.dataset_hparams == right.dataset_hparams
        assert left.training_hparams == right.training_hparams


def test_the_paper_is_the_paper_to_the_letter():
    assert list(read_scale("paper")["figures"]) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "table1"]
    for experiment in experiments("paper", "1", "4", "5"):
        for run in trainings(experiment):
            data, training = run.dataset_hparams, run.training_hparams
            assert (data.dataset_name, data.subsample_fraction, data.augment) == ("cifar10", None, True)
            assert (training.optimizer_name, training.lr, training.weight_decay) == ("adam", 1e-3, 1e-4)
            assert (training.training_steps, training.milestone_steps, training.gamma) == ("160ep", "80ep,120ep", 0.1)
            assert (training.momentum, training.warmup_steps) == (0.0, None)
            assert run.model_hparams.model_init == "torch_default"
            assert run.model_hparams.model_name in ("cifar_resnet_20", "cifar_vgg_11", "cifar_vit_tiny")
    lottery = next(one for one in experiments("paper", "2"))
    assert len(trainings(lottery)) == 21


@pytest.mark.parametrize("network", ["cifar_resnet_20", "cifar_vgg_11", "cifar_vit_tiny"])
def test_at_the_papers_scale_bayesian_tickets_are_those_of_the_short_command(network):
    """What `lottery --default_hparams=... --bayesian` has made need not be made again."""
    short = read_trainings("lottery", f"--default_hparams={network}", "--bayesian", "--levels=20")[20]
    made = {run.paths.directory for one in experiments("paper", "2") for run in trainings(one)}
    assert short.paths.directory in made


def test_a_small_reproduction_has_replicates_enough_for_a_spread():
    for name in ("1", "2", "4", "5", "9"):
        for one in SUITES.get(name).series(read_scale("small")):
            assert len(one.experiments) >= 2


def test_a_small_reproduction_has_something_in_every_figure():
    others = {"optimizers": "methods", "pruning": "methods", "stability": "methods", "settings": "medium"}
    for name, suite in SUITES.items():
        assert suite.series(read_scale(others.get(name, "small"))), name


def test_at_the_papers_scale_all_figures_expand_in_no_time():
    started = time.process_time()
    assert len(experiments("paper")) > 90
    assert time.process_time() - started < 0.5
