"""Training runs of a few steps on a few of scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datasets import DatasetHparams, num_classes
from foundations.context import RunContext
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from foundations.storage import load_tensors
from models import ModelHparams
from pruning import Mask, prunable_shapes
from tests.one_thread import one_thread  # noqa: F401 - for every test here
from training import Deterministic, TrainingCircumstances, TrainingHparams, TrainingRun
from training.objective import Objective

# 29 examples: four iterations an epoch, of which the last has five examples.
DIGITS = DatasetHparams(dataset_name="digits", batch_size=8, subsample_fraction=0.02)
CURRICULA = {
    "sgd": TrainingHparams(
        optimizer_name="sgd",
        lr=0.05,
        momentum=0.9,
        weight_decay=1e-3,
        training_steps="2ep1it",
        milestone_steps="1ep2it",
        gamma=0.1,
        warmup_steps="3it",
    ),
    "adam": TrainingHparams(optimizer_name="adam", lr=0.01, weight_decay=1e-3, training_steps="2ep1it"),
}


class Eventful(Deterministic):
    """The deterministic variant, in whose training something happens during an iteration."""

    def __init__(self, iteration: int, event: Callable[[], object]) -> None:
        self.iteration = iteration
        self.event = event

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        return EventfulObjective(super().objective(model, circumstances), self)


class EventfulObjective:
    def __init__(self, objective: Objective, variant: Eventful) -> None:
        self.objective = objective
        self.variant = variant

    def backward(self, images: Tensor, labels: Tensor, step: Step) -> dict[str, Tensor]:
        if step.iteration == self.variant.iteration:
            self.variant.event()
        return self.objective.backward(images, labels, step)


def make_run(
    directory: Path,
    hparams: TrainingHparams = CURRICULA["sgd"],
    variant: Deterministic | None = None,
    model: str = "mnist_lenet_12",
    replicate: int = 1,
    **context: Any,
) -> TrainingRun:
    """Return a run into a directory."""
    return TrainingRun(
        paths=RunPaths(directory),
        label="level_0/main",
        variant=variant or Deterministic(),
        model_hparams=ModelHparams(model_name=model, model_init="kaiming_normal", batchnorm_init="uniform"),
        dataset_hparams=DIGITS,
        training_hparams=hparams,
        streams=RandomStreams(replicate),
        context=RunContext(directory, directory, **context),
    )


def train(run: TrainingRun, start: str = "0it") -> nn.Module:
    """Train a run from its initial weights, a third of them pruned."""
    model = run.variant.build(run.model_hparams, num_classes(DIGITS), run.streams.seed("initial_weights"))
    generator = run.streams.generator("mask")
    shapes = prunable_shapes(run.variant.prunable(model))
    mask = Mask({name: torch.rand(shape, generator=generator) > 1 / 3 for name, shape in shapes.items()})
    run.train(model, mask, run.step(start))
    return model


def results(run: TrainingRun) -> tuple[str, dict[str, Tensor]]:
    """Return the logger's text and the final weights."""
    return run.paths.logger.read_text(), load_tensors(run.paths.model(run.end))


def assert_same_bits(first: TrainingRun, second: TrainingRun) -> None:
    """Check that two runs ended alike."""
    (text, weights), (other_text, other_weights) = results(first), results(second)
    assert text == other_text
    assert list(weights) == list(other_weights)
    for name, tensor in weights.items():
        assert torch.equal(tensor, other_weights[name]), name


class Runs:
    """What tests need of this file, as one fixture."""

    curricula = CURRICULA
    digits = DIGITS
    eventful = Eventful
    make = staticmethod(make_run)
    train = staticmethod(train)
    results = staticmethod(results)
    assert_same_bits = staticmethod(assert_same_bits)


@pytest.fixture(scope="session")
def runs() -> Runs:
    """The helpers of this file."""
    return Runs()
