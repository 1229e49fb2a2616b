"""Captured steps and evaluations end in the bits of those that the host does one operation after another."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import torch

import training.graphs
import training.optimizers
from models import MODEL_FAMILIES, register_family
from tests.training.operation_graph import OperationGraph
from tests.training.test_run import DropoutFamily
from training import OPTIMIZERS, Deterministic, Interrupted, TrainingHparams
from training.graphs import REHEARSALS

# Five epochs of four iterations, of which the last has a smaller batch; both sizes are captured on the way.
EPOCHS = REHEARSALS + 2
REPLAYS = [3 * EPOCHS - REHEARSALS, EPOCHS - REHEARSALS, EPOCHS + 1 - REHEARSALS]
"""Of the whole batches, the last ones, and the evaluations."""
SGD = TrainingHparams(
    optimizer_name="sgd",
    lr=0.05,
    momentum=0.9,
    weight_decay=1e-3,
    training_steps=f"{EPOCHS}ep",
    milestone_steps="2ep2it",
    gamma=0.1,
    warmup_steps="6it",
)
ADAM = TrainingHparams(optimizer_name="adam", lr=0.01, weight_decay=1e-3, training_steps=f"{EPOCHS}ep")


@pytest.fixture(autouse=True)
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimisers as on a GPU: each step is one kernel, which finds all its numbers on the device."""
    monkeypatch.setattr(training.optimizers, "_all_on_cuda", lambda groups: True)


@pytest.fixture
def dropout(monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that draws random numbers of its own and has BatchNorm's buffers."""
    monkeypatch.setattr(MODEL_FAMILIES, "_entries", dict(MODEL_FAMILIES._entries))
    register_family("dropout")(DropoutFamily)
    return "dropout_5"


class Recorder:
    """Makes graphs, and remembers them."""

    def __init__(self) -> None:
        self.graphs: list[OperationGraph] = []

    def __call__(self, generators):
        self.graphs.append(OperationGraph(generators))
        return self.graphs[-1]

    @property
    def replays(self) -> list[int]:
        return [graph.replays for graph in self.graphs if graph.replays]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Let training steps be captured from now on."""
    made = Recorder()
    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: made)
    yield made


def both(runs, tmp_path, recorder, hparams, **changes):
    """Train without and with graphs, and return the second run."""
    plain = runs.make(tmp_path / "plain", hparams, graph="off", **changes)
    runs.train(plain)
    assert not recorder.graphs
    captured = runs.make(tmp_path / "captured", hparams, **changes)
    runs.train(captured)
    runs.assert_same_bits(plain, captured)
    return captured


@pytest.mark.parametrize("hparams", [SGD, ADAM], ids=["sgd", "adam"])
def test_captured_steps_end_in_the_bits_of_those_that_are_not(runs, tmp_path, recorder, hparams):
    both(runs, tmp_path, recorder, hparams)
    assert sorted(recorder.replays) == sorted(REPLAYS)


def test_layers_that_draw_and_batchnorm_are_captured_too(runs, tmp_path, recorder, dropout):
    both(runs, tmp_path, recorder, ADAM, model=dropout)
    assert sorted(recorder.replays) == sorted(REPLAYS)


def test_a_frozen_layer_is_no_obstacle(runs, tmp_path, recorder):
    class Frozen(Deterministic):
        def build(self, hparams, num_classes, seed):
            model = super().build(hparams, num_classes, seed)
            model.fc.requires_grad_(False)
            return model

    run = both(runs, tmp_path, recorder, ADAM, variant=Frozen())
    initial = torch.load(run.paths.model(run.step("0it")))["fc.weight"]
    assert runs.results(run)[1]["fc.weight"].equal(initial) and recorder.replays


@pytest.mark.parametrize("iteration", [1, 6, 13])
def test_a_captured_run_that_was_stopped_goes_on_to_the_same_bits(runs, tmp_path, recorder, iteration, monkeypatch):
    whole = runs.make(tmp_path / "whole", ADAM)
    runs.train(whole)
    run = runs.make(tmp_path / "stopped", ADAM)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        stop_at(patch, iteration)
        runs.train(run)
    runs.train(run)
    runs.assert_same_bits(run, whole)


def stop_at(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    take, taken = training.step.TrainingStep.take, iter(range(10**6))

    def taking(self) -> None:
        if next(taken) == iteration:
            signal.raise_signal(signal.SIGTERM)
        take(self)

    monkeypatch.setattr(training.step.TrainingStep, "take", taking)


def said(runs, run, caplog) -> str:
    caplog.clear()
    runs.train(run)
    [message] = [one for one in caplog.messages if one.startswith("training steps")]
    assert "\n" not in message
    return message.partition("slower: ")[2]


def test_what_cannot_be_captured_is_said(runs, tmp_path, recorder, monkeypatch, caplog):
    short = TrainingHparams(optimizer_name="sgd", lr=0.05, training_steps="1it")
    fp16 = TrainingHparams(optimizer_name="sgd", lr=0.05, training_steps="1it", precision="fp16")
    assert said(runs, runs.make(tmp_path / "a", fp16), caplog) == "fp16 looks at the gradients to scale the loss"
    foreign = runs.make(tmp_path / "b", short, runs.eventful(5, lambda: None))
    assert said(runs, foreign, caplog) == "the objective EventfulObjective may do something else at every step"
    monkeypatch.setattr(OPTIMIZERS, "_entries", {"sgd": lambda groups, _: torch.optim.SGD(groups, lr=0.1)})
    assert (
        said(runs, runs.make(tmp_path / "c", short), caplog)
        == "the optimiser SGD keeps numbers that change on the host"
    )
