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
from foundations.interruption import Interrupted, interruption_requests
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks, speaking
from foundations.step import Step
from training.agreement import Agreement
from training.callbacks import Callback
from training.checkpoint import TrainingState
from training.finite import WatchedObjective, check_finite
from training.objective import Objective
from training.schedule import Schedule, set_learning_rate
from training.team import Team


def train(
    state: TrainingState,
    objective: Objective,
    schedule: Schedule,
    loader: Loader,
    streams: RandomStreams,
    end: Step,
    callbacks: Sequence[Callback],
    paths: RunPaths,
    team: Team,
    checkpoint_minutes: float,
) -> None:
    """Train from the state's step, or from the checkpoint's if there is one, to the end.

    Callbacks run before every step and after the last. A checkpoint is what there was before they ran for its step, so
    a resumed run runs them again, to the same results, and a stop may cut a long evaluation short.

    Raises:
        Interrupted: if a signal asked for it; a checkpoint of the step reached has been written.
        Diverged: if the loss or a weight is not a finite number; no file has been written from it.
        RankLost: if another process of the run is gone.
        UnreadableFile: if the checkpoint is of a step outside the training.
    """
    is_saved = _take_up(state, end, paths, team.ranks)
    device = next(state.model.parameters()).device
    watched = WatchedObjective(objective, paths, state.step, device, team.ranks)
    checkpoints, agreement = _Rhythm(end, checkpoint_minutes), Agreement(team.ranks)
    with interruption_requests() as interruption, torch.random.fork_rng(devices=[]):
        batches = _batches_from(loader, state.step)
        while True:
            signal_number, is_due = agreement.on(interruption.number, checkpoints.is_overdue())
            if is_due or signal_number or checkpoints.is_due_at(state.step):
                checkpoints.rest()
                _check(state, watched, paths, team.ranks)
                if not is_saved and team.ranks.is_leader:
                    state.save(paths)
                place = f"{paths.directory} at {state.step}"
                if team.ranks.size > 1:
                    _stop_together(signal_number, place)
                else:
                    interruption.everything_is_saved(place)
            for callback in callbacks:
                callback(state)
            if state.step >= end:
                agreement.finish()
                return
            batch = next(batches)
            interruption.work_begins()
            # Layers that draw for themselves, such as dropout, get a stream of their own at every step.
            torch.manual_seed(streams.seed("layers", state.step.iteration))
            _step(state, watched, schedule, team, loader, *batch)
            is_saved = False


def _take_up(state: TrainingState, end: Step, paths: RunPaths, ranks: Ranks) -> bool:
    """Take up the leader's checkpoint, if there is one, and return whether there is."""
    start = state.step
    is_saved = ranks.is_leader and state.restore(paths)
    if not start <= state.step <= end:
        remedy = "delete it to train this level from its start"
        raise UnreadableFile(paths.checkpoint, f"is of {state.step}, but training is from {start} to {end}", remedy)
    state.share(ranks)
    return is_saved


def _check(state: TrainingState, watched: WatchedObjective, paths: RunPaths, ranks: Ranks) -> None:
    """Check what is to be saved, on all processes alike, so that none is left behind by one that fails."""
    watched.check()
    state.unite_totals(ranks)
    check_finite(state, paths)
    if ranks.size > 1:
        ranks.check_same(f"{paths.directory} at {state.step}: the weights", state.digest())


def _stop_together(signal_number: int, place: str) -> None:
    if signal_number:
        raise Interrupted(signal_number, place)


class _Rhythm:
    """When a checkpoint is due: at first, every epoch, at the end, and after so many minutes without one."""

    def __init__(self, end: Step, minutes: float) -> None:
        self._end = end
        self._seconds = 60 * minutes
        self._latest = -math.inf

    def is_due_at(self, step: Step) -> bool:
        return step.it == 0 or step >= self._end or self._latest == -math.inf

    def is_overdue(self) -> bool:
        return self._latest > -math.inf and time.monotonic() - self._latest >= self._seconds

    def rest(self) -> None:
        self._latest = time.monotonic()


def _batches_from(loader: Loader, start: Step) -> Iterator[tuple[Tensor, Tensor]]:
    yield from loader.epoch(start.ep, start.it)
    for epoch in count(start.ep + 1):
        yield from loader.epoch(epoch)


def _step(
    state: TrainingState,
    objective: Objective,
    schedule: Schedule,
    team: Team,
    loader: Loader,
    images: Tensor,
    labels: Tensor,
) -> None:
    set_learning_rate(state.optimizer, schedule(state.step.iteration))
    state.model.train()
    state.optimizer.zero_grad()
    share = team.share_of_batch(min(loader.batch_size, loader.num_examples - state.step.it * loader.batch_size))
    team.exchange.begin(share)
    with speaking():
        state.add_terms(objective.backward(images, labels, state.step), share)
        team.exchange.finish(state.model.parameters())
    state.precision.step(state.optimizer)
    state.step = state.step.next()
