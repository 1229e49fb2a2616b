"""When checkpoints are written, and how training stops after one."""

from __future__ import annotations

import math
import time

from foundations.errors import UserError
from foundations.interruption import Interrupted, InterruptionRequest
from foundations.paths import RunPaths
from foundations.ranks import Ranks
from foundations.step import Step
from training.checkpoint import TrainingState
from training.finite import Diverged, LossWatch, check_finite
from training.team import Agreement

EPOCH_SECONDS = 30.0
"""How old the latest checkpoint is at least when a new epoch is a reason for another: writing one takes a while, and on
a GPU may take longer than an epoch."""


class Rhythm:
    """When a checkpoint is due: at first, at the end, when an epoch begins, and after so many minutes without one.

    Args:
        minutes: where they are fewer than `EPOCH_SECONDS`, epochs are a reason as often.
    """

    def __init__(self, end: Step, minutes: float) -> None:
        self._end = end
        self._seconds = 60 * minutes
        self._epoch_seconds = min(EPOCH_SECONDS, self._seconds)
        self._latest = -math.inf

    def is_due_at(self, step: Step) -> bool:
        """Return whether one is due at a step, whatever the time."""
        return step >= self._end or self._latest == -math.inf

    def is_overdue(self, step: Step) -> bool:
        """Return whether the latest is too long ago."""
        if self._latest == -math.inf:
            return False
        return time.monotonic() - self._latest >= (self._epoch_seconds if step.it == 0 else self._seconds)

    def mark_saved(self) -> None:
        """Note that one has been written, and begin to wait for the next."""
        self._latest = time.monotonic()


class Saving:
    """Checkpoints when they are due or a signal asks for a stop, by all processes of the run at the same step.

    Args:
        saved_at: the step of the checkpoint that training goes on from, if there is one.
    """

    def __init__(self, rhythm: Rhythm, watch: LossWatch, paths: RunPaths, ranks: Ranks, saved_at: Step | None) -> None:
        self._rhythm = rhythm
        self._watch = watch
        self._paths = paths
        self._ranks = ranks
        self._saved_at = saved_at
        self._agreement = Agreement(ranks)

    def save_if_due(self, state: TrainingState, interruption: InterruptionRequest) -> None:
        """Save the state unless that has been done, and stop if that has been asked for.

        Raises:
            Interrupted: if a signal has asked for it.
            Diverged: if a number is not finite.
        """
        signal_number, is_overdue = self._agreement.on(interruption.number, self._rhythm.is_overdue(state.step))
        is_due = bool(signal_number) or is_overdue or self._rhythm.is_due_at(state.step)
        if is_due or state.step.it == 0:  # measures are about to be made of it
            self._watch.check()
            self._check_finite(state)
        if not is_due:
            return
        self._rhythm.mark_saved()
        state.gather_totals(self._ranks)
        if self._ranks.size > 1:
            self._ranks.check_same(f"{self._paths.directory} at {state.step}: the weights", state.digest())
        if self._saved_at != state.step and self._ranks.is_leader:
            state.save(self._paths)
            self._saved_at = state.step
        place = f"{self._paths.directory} at {state.step}"
        if self._ranks.size == 1:
            interruption.allow_immediate_stop(place)
        elif signal_number:
            self._ranks.send()  # whoever ends before the leader has saved has it ended, too
            raise Interrupted(signal_number, place)

    def finish(self, interruption: InterruptionRequest) -> None:
        """Hear what the processes are still telling each other, after the last step.

        Raises:
            Interrupted: if a signal has asked one of several processes for a stop.
        """
        self._agreement.finish()
        signal_number = max(self._ranks.collect(interruption.number))
        if signal_number and self._ranks.size > 1:
            raise Interrupted(signal_number)

    def _check_finite(self, state: TrainingState) -> None:
        """Check what is to be saved or measured, on all processes alike: none is left behind by one that fails."""
        found: UserError | None = None
        try:
            check_finite(state, self._paths)
        except Diverged as error:
            found = error
        others = [other for other in self._ranks.collect(found and str(found)) if other]
        if others:
            raise found or UserError(others[0])
