"""Commands in processes of their own that stop at a chosen moment; only what is importable can run there."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import cli
import training.saving
import training.step


def run_and_be_signalled(words: Sequence[str], moment: int, number: int) -> None:
    """Run a command and get a signal at a moment: before a training step, or with a file half-way to its place."""
    # As in a terminal: tests that a shell started in the background would inherit that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _run(words, moment, lambda: os.kill(os.getpid(), number))


def run_and_pause(words: Sequence[str], moment: int, reached: Event, go_on: Event) -> None:
    """Run a command and wait at a moment."""

    def pause() -> None:
        reached.set()
        go_on.wait()

    _run(words, moment, pause)


def _run(words: Sequence[str], moment: int, act: Callable[[], object]) -> None:
    moments = itertools.count(1)

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any) -> Any:
            if next(moments) == moment:
                act()
            return function(*args)

        return watching

    training.saving.EPOCH_SECONDS = 0.0  # epochs take milliseconds
    training.step.TrainingStep.take = watched(training.step.TrainingStep.take)
    os.fsync = watched(os.fsync)  # a temporary file is complete then, and not yet renamed
    raise SystemExit(cli.main(list(words)))


def run_and_lose_wandb(words: Sequence[str], moment: int) -> None:
    """Run a command, at a moment of which wandb's own process is killed."""

    def kill() -> None:
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        [service] = [pid for pid in children if "wandb-core" in Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(int(service), signal.SIGKILL)

    _run(words, moment, kill)
