"""The training loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import torch
from torch import Tensor

from datasets import Loader
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from training.callbacks import Callback
from training.checkpoint import TrainingState
from training.interruption import Interrupted, InterruptionRequest
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
) -> None:
    """Train from the state's step, or from the checkpoint's if there is one, to the end.

    Callbacks run before every step and after the last. A checkpoint is only ever written after they have run for
    its step, so a resumed run does not run them again for its first one.

    Raises:
        Interrupted: if Ctrl-C was pressed; a checkpoint of the step reached has been written.
    """
    callbacks_have_run = state.restore(paths)
    with InterruptionRequest() as interruption, torch.random.fork_rng(devices=[]):
        batches = _batches_from(loader, state.step)
        while True:
            if not callbacks_have_run:
                for callback in callbacks:
                    callback(state)
            callbacks_have_run = False
            if state.step >= end:
                return
            if interruption.requested:
                state.save(paths)
                raise Interrupted(str(paths.directory), state.step)
            # Layers that draw for themselves, such as dropout, get a stream of their own at every step.
            torch.manual_seed(streams.seed("layers", state.step.iteration))
            _step(state, objective, schedule, *next(batches))


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
