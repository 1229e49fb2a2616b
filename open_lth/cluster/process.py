"""The process of a job's command: what it says goes on to the job's log, and it can be asked to stop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence

_EVERY = 0.2  # seconds between two looks at the process
_KEPT = 1 << 14  # bytes of what it said last


class CommandProcess:
    """A command under way.

    Its methods may run inside a signal handler that interrupted another of them, so none holds a lock.

    Args:
        command: all its words, the interpreter's first.
        ignored: a signal that is for the parent alone, though Slurm sends it to every process of a job.
    """

    def __init__(self, command: Sequence[str], ignored: int) -> None:
        def ignore() -> None:
            signal.signal(ignored, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {ignored})

        self._errors, end = os.pipe()
        self._last_words = b""
        # Between fork and exec, a signal would find the parent's handler in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, {ignored})
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=end, preexec_fn=ignore)
        finally:
            os.close(end)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {ignored})

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more."""
        try:  # without the lock that Popen's own methods take
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def wait(self) -> tuple[int, list[str]]:
        """Wait for the end, and return the exit code and the last lines of stderr."""
        while not self.has_ended:
            self._pass_on()
        while self._pass_on(seconds=0):
            pass
        return self._process.wait(), self._last_words.decode(errors="replace").splitlines()

    def stop(self, patience: float) -> bool:
        """Ask the process to save what it has reached and to end, and return whether it did in time."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while not self.has_ended:
            if time.monotonic() > deadline:
                return False
            self._pass_on()
        return True

    def _pass_on(self, seconds: float = _EVERY) -> bool:
        """Pass on what the process says in some time; return whether there was anything."""
        ready, _, _ = select.select([self._errors], [], [], seconds)
        said = os.read(self._errors, 1 << 16) if ready else b""
        if ready and not said:  # it has closed its end, and may not have ended yet
            time.sleep(min(seconds, _EVERY))
        if said:
            os.write(2, said)
            self._last_words = (self._last_words + said)[-_KEPT:]
        return bool(said)
