"""Signals that ask a process to stop: Ctrl-C, and what batch systems send before they kill."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

START_AGAIN, STOPPED_BY_HAND = 75, 130
"""Exit codes: 75 is EX_TEMPFAIL of sysexits.h, "try again later"; 130 is what shells report after Ctrl-C."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

ONE_REQUEST = 1.0
"""Seconds in which signals count as one: who signals a whole group also signals those that pass signals on in it."""

_KEPT = "; what was finished or saved stays"


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop, and stops.

    Args:
        number: the signal's.
        saved_up_to: the run and the step up to which everything is saved, or nothing if that was not in training.
    """

    def __init__(self, number: int, saved_up_to: str = "") -> None:
        self.number = number
        kept = f" in {saved_up_to}; everything up to there is saved" if saved_up_to else _KEPT
        super().__init__(f"stopped by {signal.Signals(number).name}{kept}")

    @property
    def exit_code(self) -> int:
        """What the process ends with."""
        return STOPPED_BY_HAND if self.number == signal.SIGINT else START_AGAIN


def hidden_interruption(error: BaseException) -> Interrupted | None:
    """Return the request to stop during which an error arose, if there was one.

    A request takes effect wherever it finds the process: also within a library that then stumbles over its half-done
    work, such as a lock that it was about to release.
    """
    context = error.__context__
    while context is not None and not isinstance(context, Interrupted):
        context = context.__context__
    return context


class InterruptionRequest:
    """Whether a signal has asked for a stop, while stopping at once would cost work."""

    def __init__(self) -> None:
        self.requested = False
        self.number = 0  # of the signal, if any has asked
        self._since = 0.0
        self._saved: str | None = None

    def allow_immediate_stop(self, saved_up_to: str = "") -> None:
        """Stop at once from now on, since all is saved; right now, if a stop has been asked for.

        Args:
            saved_up_to: the run and the step of what is saved.

        Raises:
            Interrupted: if there is a request.
        """
        self._saved = saved_up_to
        if self.requested:
            raise Interrupted(self.number, saved_up_to)

    def defer_stop(self) -> None:
        """Only note a request from now on, since stopping would cost work; a second one still stops at once."""
        self._saved = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested, self.number, self._since = True, number, time.monotonic()
            if self._saved is not None:
                raise Interrupted(number, self._saved)
        elif time.monotonic() - self._since >= ONE_REQUEST:
            raise Interrupted(number)


@contextmanager
def interruption_requests() -> Iterator[InterruptionRequest]:
    """Note signals inside the block instead of stopping at once.

    Raises:
        Interrupted: at the latest at the end of the block.
    """
    request = InterruptionRequest()
    with _handling(request._on_signal):
        yield request
    if request.requested:  # too late for whoever had to look
        raise Interrupted(request.number)


@contextmanager
def stopping_at_once(ends_here: bool = False) -> Iterator[None]:
    """Raise `Interrupted` inside the block wherever a signal finds it; files are written whole or not at all.

    Args:
        ends_here: whether the process ends with the block: then nothing shall change its exit code any more, and
            signals are ignored from its end on, without a moment in between at which they would kill.
    """
    request = InterruptionRequest()
    request.allow_immediate_stop()
    with _handling(request._on_signal, ignore_afterwards=ends_here):
        yield


@contextmanager
def _handling(handle: Callable[[int, FrameType | None], None], ignore_afterwards: bool = False) -> Iterator[None]:
    """Handle the signals inside the block.

    A signal that was ignored before stays ignored: nohup, and shells for what they start in the background, want it
    so. Python allows handlers in the main thread alone; elsewhere the block changes nothing.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ignore_afterwards else handler)


def ignore_stop_signals(*_: object) -> None:
    """Leave it to the main process to stop; for worker processes, which a batch system signals as well."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
