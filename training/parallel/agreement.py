"""What the processes of one run tell each other between steps, so that all of them do the same next."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from foundations.ranks import Ranks, raising_rank_lost


class Agreement:
    """Whether a signal has asked any rank for a stop, and whether the leader's clock says that a checkpoint is due.

    Alone, a process knows at once. Several learn of it a step later: what they say at a step travels while the next
    one is computed, from host to host, so no step waits for a device.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._said = torch.zeros(2, dtype=torch.int64)
        self._travelling: dist.Work | None = None

    def on(self, signal_number: int, is_due: bool) -> tuple[int, bool]:
        """Say what this rank knows, and return what all know: the signal's number, or 0, and if a checkpoint is due."""
        if self._ranks.size == 1:
            return signal_number, is_due
        known = self._arrived()
        self._said = torch.tensor([signal_number, int(is_due and self._ranks.is_leader)])
        with raising_rank_lost():
            self._travelling = dist.all_reduce(self._said, dist.ReduceOp.MAX, async_op=True)
        return int(known[0]), bool(known[1])

    def finish(self) -> None:
        """Wait for what is on its way, before anything else is said."""
        self._arrived()
        self._travelling = None

    def _arrived(self) -> Tensor:
        if self._travelling is not None:
            with raising_rank_lost():
                self._travelling.wait()
        return self._said
