"""Whole trainings, as `open_lth.py train` runs them, with a callback at every step."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datasets import DatasetHparams
from foundations.context import RunContext
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from models import ModelHparams
from pruning import Mask, Prunable, prunable_shapes
from random_images import random_images
from steps import model_hparams
from training import (
    ModelVariant,
    ParameterGroups,
    PredictionRequest,
    TrainingCircumstances,
    TrainingHparams,
    TrainingRun,
)
from training.objective import Objective, RepeatableObjective

Watch = Callable[[Step], None]
"""Called when a step is about to be taken."""


@dataclass(frozen=True)
class Scale:
    """The size of a training: the paper's, or a tiny one that measures nothing."""

    num_train: int = 50_000
    num_test: int = 10_000
    batch: int = 128
    precision: str = "bf16"


class OutOfTime(Exception):
    """The time for the whole call is used up."""


@dataclass
class Stopwatch:
    """Notes the time at one iteration of every epoch.

    Args:
        deadline: by `time.monotonic`.
        first_epoch: the first epoch in which the time is noted.
        at: the iteration of each epoch.

    Raises:
        OutOfTime: when called after the deadline.
    """

    device: torch.device
    deadline: float
    first_epoch: int
    at: int
    times: list[float] = field(default_factory=list)

    def __call__(self, step: Step) -> None:
        """Look at the time."""
        if time.monotonic() > self.deadline:
            raise OutOfTime
        if step.it == self.at and step.ep >= self.first_epoch:
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            self.times.append(time.perf_counter())


def measure_memory_anew(device: torch.device) -> None:
    """Let the peak of a GPU's memory be that of what comes now, not of what earlier rows have left."""
    gc.collect()
    if device.type == "cuda":
        torch._C._cuda_clearCublasWorkspaces()  # which stay as long as their streams
        torch.cuda.reset_peak_memory_stats()


def train_watched(
    network: str,
    variant: ModelVariant,
    scale: Scale,
    steps: str,
    device: torch.device,
    compiled: bool,
    watch: Watch,
    **context: Any,
) -> None:
    """Train a network on noise, a fifth of its weights pruned, and evaluate it every epoch.

    Args:
        steps: how long, e.g. `3ep20it`.
        watch: may raise an exception to end the training.
        context: further fields of the `RunContext`.
    """
    with tempfile.TemporaryDirectory() as directory:
        run = TrainingRun(
            paths=RunPaths(Path(directory)),
            label=network,
            variant=_Watched(variant, watch),
            model_hparams=model_hparams(network),
            dataset_hparams=DatasetHparams(
                dataset_name=random_images(scale.num_train, scale.num_test), batch_size=scale.batch
            ),
            training_hparams=TrainingHparams(
                optimizer_name="adam", lr=1e-3, weight_decay=1e-4, training_steps=steps, precision=scale.precision
            ),
            streams=RandomStreams(1),
            context=RunContext(Path(directory), Path(directory), device, compile=compiled, **context),
        )
        model = run.new_network(0)
        generator = torch.Generator().manual_seed(0)
        shapes = prunable_shapes(variant.prunable(model))
        mask = Mask({name: (torch.rand(shape, generator=generator) < 0.8).int() for name, shape in shapes.items()})
        run.train(model, mask, run.step("0it"))


class _Watched(ModelVariant):
    """A variant whose objective is watched."""

    name = "watched"
    description = "another variant, watched"

    def __init__(self, variant: ModelVariant, watch: Watch) -> None:
        self._variant = variant
        self._watch = watch

    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        return self._variant.build(hparams, num_classes, seed)

    def prunable(self, model: nn.Module) -> Prunable:
        return self._variant.prunable(model)

    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        return self._variant.parameter_groups(model, hparams)

    def optimizer(
        self, model: nn.Module, hparams: TrainingHparams, circumstances: TrainingCircumstances
    ) -> torch.optim.Optimizer:
        return self._variant.optimizer(model, hparams, circumstances)

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        return _WatchedObjective(self._variant.objective(model, circumstances), self._watch)

    def sample_log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Iterator[Tensor]:
        yield from self._variant.sample_log_probabilities(model, request)


class _WatchedObjective(RepeatableObjective):
    """Calls the watch where nothing is captured."""

    def __init__(self, objective: Objective, watch: Watch) -> None:
        assert isinstance(objective, RepeatableObjective)
        self._objective = objective
        self._watch = watch
        self.generators, self.varies = objective.generators, objective.varies

    def prepare(self, step: Step) -> None:
        self._watch(step)
        self._objective.prepare(step)

    def add_gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return self._objective.add_gradient(images, labels)
