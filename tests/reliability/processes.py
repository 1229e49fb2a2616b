"""Commands and functions in processes of their own, forked from one that has imported everything and done nothing."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import cli
import training.saving

PATIENCE = 120.0
"""Seconds after which a process that should have ended is taken for one that hangs."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tests.reliability.processes",
        "open_lth.commands.lottery_branch",
        "open_lth.commands.train",
        "bayesian.strategies",
        "sklearn.datasets",
        "torch._dynamo",
        "torch_blue.vi",
    ]
)


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said; the exit code is minus the signal that killed it."""

    code: int
    out: str
    err: str


class Command:
    """A command under way, as a shell would have started it: what it computes, and what it gets from signals.

    Args:
        words: the words after the program's name.
        place: a directory for what it prints.
        file_limit: the size in bytes beyond which no file can be written, or 0.
    """

    def __init__(self, words: Sequence[str], place: Path, file_limit: int = 0) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._place = place
        for name in ("out", "err"):
            (place / name).write_text("")  # what an earlier command said here
        self._process: BaseProcess = _CONTEXT.Process(target=_run, args=(list(words), str(place), file_limit))
        self._process.start()

    @property
    def pid(self) -> int:
        """The process's number, which is its group's number, too."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.is_alive()

    def signal(self, number: int, whole_group: bool = False) -> None:
        """Send a signal, if there is anybody left to get it."""
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(self.pid, number)

    def wait(self, patience: float = PATIENCE) -> Ended:
        """Wait for the end."""
        self._process.join(patience)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise AssertionError(f"still running after {patience} s; it said: {self.err}")
        return Ended(code, (self._place / "out").read_text(), self.err)

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return (self._place / "err").read_text()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def patience(seconds: float) -> Iterator[float]:
    """Iterate over how late a command is to be killed at most: ever later, as a machine may have become busy.

    All tries together take some times as long as the command alone, however slow the machine is.

    Raises:
        AssertionError: when the command should have ended long ago.
    """
    while seconds < PATIENCE:
        yield seconds
        seconds *= 1.2
    raise AssertionError(f"not done within {PATIENCE} s, again and again")


def killed_after(words: Sequence[str], place: Path, delay: float, number: int = signal.SIGKILL) -> Ended:
    """Run a command and send it a signal after some seconds, if it has not ended by then."""
    with Command(words, place) as command:
        deadline = time.monotonic() + delay
        while command.is_alive and time.monotonic() < deadline:
            time.sleep(0.002)
        command.signal(number)
        return command.wait()


def _run(words: list[str], place: str, file_limit: int) -> None:
    os.setpgid(0, 0)
    # As in a terminal: tests that a shell started in the background would inherit that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(os.path.join(place, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), descriptor)
    if file_limit:  # Python ignores the signal, and writing fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    training.saving.EPOCH_SECONDS = 0.0  # epochs take milliseconds
    torch.set_num_threads(1)  # two of them, beside others on the same cores, are many times slower
    with mock.patch("sys.argv", ["open_lth.py", *words]):
        raise SystemExit(cli.main())


def in_its_own_process(function: Callable[..., Any], *arguments: object) -> Any:
    """Return what a function returns in a process that has done nothing yet."""
    with ProcessPoolExecutor(1, mp_context=_CONTEXT) as pool:
        return pool.submit(function, *arguments).result()
