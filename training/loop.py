"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Tensor

from datasets import Loader
from foundations.errors import UnreadableFile
from foundations.interruption import interruption_requests
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from training.callbacks import Callback
from training.checkpoint import TrainingState
from training.finite import WatchedObjective, check_finite
from training.objective import Objective
from training.schedule import Schedule, set_learning_rate


def train(
    state: TrainingState,
    objective: Objective,
    schedule: Schedule,
    loader: Loader,
    streams: RandomStreams,
    end: Step,
    callbacks: Sequence[Callback],
    paths: RunPaths,
    checkpoint_minutes: float,
) -> None:
    """Train from the state's step, or from the checkpoint's if there is one, to the end.

    Callbacks run before every step and after the last. A checkpoint is what there was before they ran for its step, so
    a resumed run runs them again, to the same results, and a stop may cut a long evaluation short.

    Raises:
        Interrupted: if a signal asked for it; a checkpoint of the step reached has been written.
        Diverged: if the loss or a weight is not a finite number; no file has been written from it.
        UnreadableFile: if the checkpoint is of a step outside the training.
    """
    start = state.step
    is_saved = state.restore(paths)
    if not start <= state.step <= end:
        remedy = "delete it to train this level from its start"
        raise UnreadableFile(paths.checkpoint, f"is of {state.step}, but training is from {start} to {end}", remedy)
    device = next(state.model.parameters()).device
    watched = WatchedObjective(objective, paths, state.step, device)
    checkpoints = _Rhythm(end, checkpoint_minutes)
    with interruption_requests() as interruption, torch.random.fork_rng(devices=[]):
        batches = _batches_from(loader, state.step)
        while True:
            if checkpoints.is_due(state.step) or interruption.requested:
                watched.check()
                check_finite(state, paths)
                if not is_saved:
                    state.save(paths)
                interruption.everything_is_saved(f"{paths.directory} at {state.step}")
            for callback in callbacks:
                callback(state)
            if state.step >= end:
                return
            batch = next(batches)
            interruption.work_begins()
            # Layers that draw for themselves, such as dropout, get a stream of their own at every step.
            torch.manual_seed(streams.seed("layers", state.step.iteration))
            _step(state, watched, schedule, *batch)
            is_saved = False


class _Rhythm:
    """When a checkpoint is due: at first, every epoch, at the end, and after so many minutes without one."""

    def __init__(self, end: Step, minutes: float) -> None:
        self._end = end
        self._seconds = 60 * minutes
        self._latest = -math.inf

    def is_due(self, step: Step) -> bool:
        now = time.monotonic()
        due = step.it == 0 or step >= self._end or now - self._latest >= self._seconds
        self._latest = now if due else self._latest
        return due


def _batches_from(loader: Loader, start: Step) -> Iterator[tuple[Tensor, Tensor]]:
    yield from loader.epoch(start.ep, start.it)
    for epoch in count(start.ep + 1):
        yield from loader.epoch(epoch)


def _step(state: TrainingState, objective: Objective, schedule: Schedule, images: Tensor, labels: Tensor) -> None:
    set_learning_rate(state.optimizer, schedule(state.step.iteration))
    state.model.train()
    state.optimizer.zero_grad()
    state.add_terms(objective.backward(images, labels, state.step))
    state.precision.step(state.optimizer)
    state.step = state.step.next()
