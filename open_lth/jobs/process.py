"""The process of a job."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from foundations.context import REPORT_VARIABLE
from open_lth.command import Job
from training import Report

_SHARING_CORES = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's idle threads would otherwise spin on the cores that the other processes need."""


class JobProcess:
    """A job under way.

    Args:
        program: the words before the command that make it run: the interpreter and the program.
        alone: whether no other job runs at the same time.
    """

    def __init__(self, job: Job, program: Sequence[str], alone: bool = True) -> None:
        self.job = job
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._reports, reports_end = os.pipe()
        self._unread = b""
        self._is_stopping = False
        os.set_blocking(self._reports, False)
        try:
            self._process = subprocess.Popen(
                [*program, *job.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[reports_end],
                env={**({} if alone else _SHARING_CORES), **os.environ, REPORT_VARIABLE: str(reports_end)},
            )
        finally:
            os.close(reports_end)

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def reports(self) -> list[Report]:
        """Return what has been reported since the last call."""
        try:
            while chunk := os.read(self._reports, 1 << 16):
                self._unread += chunk
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        return [Report.parse(line) for line in lines]

    def stop(self) -> None:
        """Ask the process, once, to save what it has reached and to end."""
        if not self._is_stopping:
            self._is_stopping = True
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> tuple[int, list[str]]:
        """End the process if it has not ended, and return its exit code and the lines it wrote to stderr."""
        self._process.kill()
        code = self._process.wait()
        os.close(self._reports)
        with self._errors:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").splitlines()
        return code, [line for line in lines if line.strip()]
