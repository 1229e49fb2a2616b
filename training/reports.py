"""What a training run tells the process that watches over it: lines of JSON through a pipe."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from dataclasses import dataclass

_INTERVAL = 0.25  # seconds


@dataclass(frozen=True)
class Report:
    """How far a training run is, perhaps with a line for the reader.

    Args:
        run: the run's label.
        done: iterations so far.
        total: iterations in all.
        text: a line to show, without the label.
    """

    run: str
    done: int
    total: int
    text: str = ""

    def line(self) -> bytes:
        """Return the report as one line."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    @staticmethod
    def parse(line: bytes) -> Report:
        """Read what `line` gives."""
        return Report(**json.loads(line))


class Reporter:
    """Writes a run's reports into a pipe, a few a second at most.

    Args:
        descriptor: the pipe's end to write to.
    """

    def __init__(self, descriptor: int, run: str, total: int) -> None:
        self._descriptor = descriptor
        self._latest = Report(run, 0, total)
        self._sent = -_INTERVAL

    def at(self, iteration: int) -> None:
        """Report an iteration, unless something was reported just now."""
        self._latest = dataclasses.replace(self._latest, done=iteration)
        if time.monotonic() - self._sent >= _INTERVAL:
            self._send(self._latest)

    def say(self, text: str) -> None:
        """Report a line for the reader."""
        self._send(dataclasses.replace(self._latest, text=text))

    def close(self) -> None:
        """Report the last iteration."""
        self._send(self._latest)

    def _send(self, report: Report) -> None:
        self._sent = time.monotonic()
        try:
            os.write(self._descriptor, report.line())  # short enough for the pipe to take it whole
        except BrokenPipeError:
            # Whoever watched was killed; nobody would know of this process any more.
            signal.raise_signal(signal.SIGTERM)
