"""What is run side by side."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Job:
    """One command of the project.

    Args:
        label: what it is called; a job that is one training run is called as the run is.
        command: the words after the program's name.
        iterations: how many it trains in all, as far as is known beforehand.
        is_done: whether its results are there already.
        after: the jobs whose results it needs.
    """

    label: str
    command: tuple[str, ...]
    iterations: int = 0
    is_done: bool = False
    after: tuple[Job, ...] = ()

    def __str__(self) -> str:
        return shlex.join(["python", "open_lth.py", *self.command])
