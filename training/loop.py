"""The training loop."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from datasets import Loader
from foundations.context import RunContext
from foundations.errors import UnreadableFile
from foundations.interruption import interruption_requests
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.step import Step
from training.callbacks import Callback
from training.checkpoint import TrainingState
from training.finite import LossWatch
from training.objective import Objective
from training.optimizers import Schedule
from training.saving import Rhythm, Saving
from training.step import TrainingStep
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
    context: RunContext,
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
    saved_at = _resume(state, end, paths, team.ranks)
    watch = LossWatch(paths, state.step, state.device, team.ranks)
    saving = Saving(Rhythm(end, context.checkpoint_minutes), watch, paths, team.ranks, saved_at)
    steps = TrainingStep(state, objective, schedule, loader, streams, team, watch, context)
    with interruption_requests() as interruption, torch.random.fork_rng(devices=[]):
        while True:
            saving.save_if_due(state, interruption)
            for callback in callbacks:
                callback(state)
            if state.step >= end:
                saving.finish(interruption)
                return
            steps.make_ready()
            interruption.defer_stop()
            steps.take()


def _resume(state: TrainingState, end: Step, paths: RunPaths, ranks: Ranks) -> Step | None:
    """Load the leader's checkpoint and return its step, or None if there is none."""
    start = state.step
    saved_at = state.step if ranks.is_leader and state.restore(paths) else None
    if not start <= state.step <= end:
        remedy = "delete it to train this level from its start"
        raise UnreadableFile(paths.checkpoint, f"is of {state.step}, but training is from {start} to {end}", remedy)
    state.share(ranks)
    return saved_at
