"""Bayesian networks under captured steps: replays draw what steps that are not captured draw, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

import training.graphs
from bayesian.estimators import ESTIMATORS, Estimator
from bayesian.hparams import BayesianHparams
from bayesian.variant import Bayesian
from tests.bayesian.as_on_a_gpu import as_on_a_gpu
from tests.training.conftest import assert_same_bits, make_run, train
from tests.training.operation_graph import OperationGraph
from training import TrainingHparams

ADAM = TrainingHparams(optimizer_name="adam", lr=0.01, weight_decay=1e-3, training_steps="4ep")
CASES = {
    "weights": ("mnist_lenet_12", {}),
    "antithetic": ("mnist_lenet_12", {"estimator": "antithetic", "samples": 4}),
    "local reparameterization": ("mnist_lenet_12", {"estimator": "local_reparameterization"}),
    "recycled": ("mnist_lenet_12", {"estimator": "recycled", "samples": 3}),
    "ivon": ("cifar_resnet_8_4", {"optimizer": "ivon"}),
    "predictive": ("mnist_lenet_12", {"likelihood": "predictive"}),
    "predictive and local": (
        "mnist_lenet_12",
        {"likelihood": "predictive", "estimator": "local_reparameterization", "samples": 3},
    ),
    "predictive and recycled": ("mnist_lenet_12", {"likelihood": "predictive", "estimator": "recycled"}),
}


@pytest.fixture(autouse=True)
def captured_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, but captured early."""
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(training.graphs, "REHEARSALS", 1)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[OperationGraph]:
    """Let training steps be captured from now on, by graphs that are remembered."""
    made: list[OperationGraph] = []

    def make(generators):
        made.append(OperationGraph(generators))
        return made[-1]

    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: make)
    return made


def run_of(directory, name: str, **context):
    model, hparams = CASES[name]
    return make_run(directory, ADAM, Bayesian(BayesianHparams(**{"samples": 2, **hparams})), model, **context)


@pytest.mark.parametrize("name", CASES)
def test_replays_draw_and_compute_what_steps_do_that_are_not_captured(tmp_path, graphs, name):
    plain, captured = run_of(tmp_path / "plain", name, graph="off"), run_of(tmp_path / "captured", name)
    train(plain)
    assert not graphs
    train(captured)
    assert_same_bits(plain, captured)
    assert sum(graph.replays for graph in graphs) >= 14  # 16 steps of two sizes, each rehearsed once


def test_a_plugins_estimator_is_not_captured_unless_it_says_that_it_can_be(tmp_path, graphs, monkeypatch, caplog):
    def growing(request) -> Callable[[int, torch.Generator], Iterator[torch.Tensor]]:
        def draw(iteration: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
            for _ in range(request.samples):
                yield iteration * torch.randn(request.size, generator=generator)

        return draw

    monkeypatch.setattr(ESTIMATORS, "_entries", {**ESTIMATORS._entries, "growing": Estimator(growing)})
    run = make_run(tmp_path, ADAM, Bayesian(BayesianHparams(samples=2, estimator="growing")), "mnist_lenet_12")
    train(run)
    assert "the estimator growing may draw in another way at every step" in caplog.text
