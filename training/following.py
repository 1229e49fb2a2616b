"""What the processes of one run do that do not lead it: wait for tasks, and do them along with the leader."""

from __future__ import annotations

from typing import Protocol

from foundations.interruption import interruption_requests
from foundations.ranks import Ranks


class Task(Protocol):
    """Something that all processes of a run do at once; it travels as a pickle."""

    def follow(self, ranks: Ranks) -> None:
        """Do it along with the leader."""
        ...


def follow(ranks: Ranks) -> None:
    """Do what the leader says, until it needs nobody any more.

    Raises:
        Interrupted: if a signal asked for a stop; the leader has saved what was reached.
        RankLost: if the leader or another process is gone.
    """
    while (task := _next_task(ranks)) is not None:
        task.follow(ranks)


def _next_task(ranks: Ranks) -> Task | None:
    # Signals find this process waiting, in code that cannot be interrupted; the leader gets them, too.
    with interruption_requests():
        task: Task | None = ranks.send()
    return task
