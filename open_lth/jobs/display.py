"""What a person sees while jobs run side by side."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import NoReturn

from tqdm import tqdm

from open_lth.command import Job
from training import Report

_EVERY = 0.25  # seconds between two redraws of the bar


class JobsDisplay:
    """One bar over the iterations of all jobs, below a line an evaluation and a line a finished job.

    The bar is there only on a terminal; nothing but errors and warnings is printed when quiet.

    Args:
        show_evaluations: whether there is a line for each evaluation of a network.
    """

    def __init__(self, jobs: Sequence[Job], quiet: bool, show_evaluations: bool = True) -> None:
        self._jobs = jobs
        self._quiet = quiet
        self._show_evaluations = show_evaluations
        self._finished = sum(job.is_done for job in jobs)
        self._failed = 0
        self._done = {job: job.iterations * job.is_done for job in jobs}
        self._totals = {job: job.iterations for job in jobs}
        self._runs: dict[Job, dict[str, Report]] = {job: {} for job in jobs}
        self._bar: tqdm[NoReturn] = tqdm(
            total=sum(self._totals.values()),
            initial=sum(self._done.values()),
            unit="it",
            disable=quiet or not sys.stderr.isatty(),
            leave=False,
            dynamic_ncols=True,
        )
        self._refreshed = -_EVERY
        self._started, self._done_before = time.monotonic(), sum(self._done.values())
        if self._finished:
            self._say(f"{self._finished} of {len(jobs)} are done already")

    def report(self, job: Job, report: Report) -> None:
        """Show a report of a job's process."""
        runs = self._runs[job]
        runs[report.run] = report
        self._done[job] = sum(latest.done for latest in runs.values())
        self._totals[job] = max(job.iterations, sum(latest.total for latest in runs.values()))
        if report.text and self._show_evaluations:
            name = job.label if report.run == job.label else f"{job.label} {report.run}"
            self._say(f"{name}  {report.text}")

    def finished(self, job: Job, warnings: Iterable[str]) -> None:
        """Show that a job is done."""
        self._finished += 1
        self._done[job] = self._totals[job]
        self._warn(job, warnings)
        self._say(f"{job.label}  done ({self._finished} of {len(self._jobs)}{self._time_left()})")

    def failed(self, job: Job, reason: str, warnings: Iterable[str]) -> None:
        """Show that a job failed."""
        self._failed += 1
        self._warn(job, [*warnings, f"failed: {reason}"])

    def _time_left(self) -> str:
        """Return an estimate in words, as if all iterations took alike; nothing if that is less than a minute.

        Nothing either before a hundredth is done: evaluations, which come first where trainings are there already, take
        time and hardly any iterations.
        """
        done, total = sum(self._done.values()), sum(self._totals.values())
        here, passed = done - self._done_before, time.monotonic() - self._started
        minutes = (total - done) * passed / max(here, 1) / 60
        if minutes < 1 or here < (total - self._done_before) / 100:
            return ""
        return f", about {minutes:.0f} min left" if minutes < 90 else f", about {minutes / 60:.1f} h left"

    def refresh(self, running: int) -> None:
        """Draw the bar anew, unless that was done just now."""
        now = time.monotonic()
        if now - self._refreshed >= _EVERY:
            self._refreshed = now
            left = len(self._jobs) - self._finished - self._failed - running
            failed = f", {self._failed} failed" if self._failed else ""
            self._bar.set_description(f"{self._finished} done, {running} running, {left} left{failed}", refresh=False)
            self._bar.total, self._bar.n = sum(self._totals.values()), sum(self._done.values())
            self._bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def _say(self, line: str) -> None:
        if not self._quiet:
            tqdm.write(line)

    def _warn(self, job: Job, lines: Iterable[str]) -> None:
        for line in lines:
            tqdm.write(f"{job.label}  {line}", file=sys.stderr)
