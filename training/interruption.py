"""Ctrl-C: stop between two steps, with everything saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from foundations.step import Step


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop, and stopped with a checkpoint at a step."""

    def __init__(self, label: str, step: Step) -> None:
        self.label = label
        self.step = step
        super().__init__(f"stopped in {label} at {step}; everything up to there is saved")


class InterruptionRequest:
    """Inside the block, the first Ctrl-C only asks for a stop; a second one stops at once.

    Python allows signal handlers in the main thread alone; elsewhere the block changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: signal.Handlers | None = None
        self._installed = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> InterruptionRequest:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)  # type: ignore[assignment]
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
