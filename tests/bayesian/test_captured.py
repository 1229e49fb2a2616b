"""Bayesian networks under captured steps: replays draw what steps that are not captured draw, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

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


class FailingLayers(TorchDispatchMode):
    """Refuses what layers do: by then, samples have been drawn. What has been written till then can be undone."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if any(name in str(function) for name in ("addmm", "aten.mm", "convolution")):
            raise RuntimeError("no room")
        for argument, value in zip(function._schema.arguments, args, strict=False):
            if argument.is_write and isinstance(value, torch.Tensor):
                self.before.append((value, value.clone()))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", CASES)
def test_steps_whose_capture_fails_draw_what_they_would_have_drawn(tmp_path, monkeypatch, caplog, name):
    class Refusing(OperationGraph):
        """As on a GPU, a capture that fails has done nothing on the device, while the host has begun."""

        def capture(self, work):
            if not torch.is_grad_enabled():  # an evaluation's
                return super().capture(work)
            states = [generator.get_state() for generator in self._generators]
            try:
                with FailingLayers() as failing:
                    return super().capture(work)
            finally:
                for tensor, value in reversed(failing.before):
                    tensor.detach().copy_(value)
                for generator, state in zip(self._generators, states, strict=True):
                    generator.set_state(state)

    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: Refusing)
    plain, refused = run_of(tmp_path / "plain", name, graph="off"), run_of(tmp_path / "refused", name)
    train(plain)
    train(refused)
    assert_same_bits(plain, refused)
    assert caplog.messages == ["training steps are not captured in a CUDA graph, and so slower: no room"]


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
