"""Running jobs, several at a time."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence

from foundations.errors import UserError
from foundations.interruption import START_AGAIN, interruption_requests
from open_lth.command import Job
from open_lth.jobs.display import JobsDisplay
from open_lth.jobs.process import JobProcess

_EVERY = 0.05  # seconds between two polls of the processes


class JobsFailed(UserError):
    """Some jobs ended with an error; the others are done.

    Args:
        reasons: why, by job.
        jobs: how many there were.
    """

    def __init__(self, reasons: Mapping[Job, str], jobs: int) -> None:
        self.reasons = reasons
        lines = [f"{len(reasons)} of {jobs} failed, the others are done"]
        for job, reason in reasons.items():
            lines += [f"{job.label}: {reason}", f"    to repeat: {job}"]
        super().__init__("\n".join(lines))


class JobsRunner:
    """Runs jobs; if one fails, all those that do not need its results run all the same.

    A job that a signal stopped, to it alone, is started once more.

    Args:
        at_most: how many run at a time.
        program: the words before a command that make it run: the interpreter and the program.
        show_evaluations: whether every evaluation of a network is shown.
    """

    def __init__(
        self, jobs: Sequence[Job], at_most: int, program: Sequence[str], quiet: bool, show_evaluations: bool = True
    ) -> None:
        self._jobs = jobs
        self._at_most = at_most
        self._program = program
        self._display = JobsDisplay(jobs, quiet, show_evaluations)
        self._waiting = [job for job in jobs if not job.is_done]
        self._running: list[JobProcess] = []
        self._stopped: list[Job] = []
        self._restarted: set[Job] = set()
        self._reasons: dict[Job, str] = {}

    def run(self) -> None:
        """Run the jobs that are not done, in their order as far as they do not wait for others.

        Raises:
            Interrupted: if a signal asked for a stop; the jobs under way have saved what they had reached.
            JobsFailed: if jobs ended with an error, or could not begin because others had.
        """
        with interruption_requests() as interruption:
            try:
                while self._running or (self._waiting and not interruption.requested):
                    if not interruption.requested:
                        self._start()
                    time.sleep(_EVERY)
                    self._look(stop=interruption.requested)
            finally:
                for process in self._running:  # only after a second Ctrl-C, or a bug
                    process.close()
                self._display.close()
            if self._stopped or self._waiting:
                done = len(self._jobs) - len(self._stopped) - len(self._waiting) - len(self._reasons)
                interruption.allow_immediate_stop(f"{len(self._jobs)} jobs, of which {done} are done")
        if self._reasons:
            raise JobsFailed(self._reasons, len(self._jobs))

    def _start(self) -> None:
        """Start what can begin, and give up what never can."""
        under_way = {*self._waiting, *(process.job for process in self._running)}
        for job in tuple(self._waiting):
            if len(self._running) == self._at_most:
                return
            missing = [earlier.label for earlier in job.after if earlier in self._reasons]
            if missing:
                self._waiting.remove(job)
                self._fail(job, [f"not begun, since {missing[0]} failed"])
            elif under_way.isdisjoint(job.after):
                self._waiting.remove(job)
                self._running.append(JobProcess(job, self._program, alone=self._at_most == 1))

    def _look(self, stop: bool) -> None:
        """Show what the processes have reported, and sort out those that have ended."""
        for process in tuple(self._running):
            if stop:
                process.stop()
            has_ended = process.has_ended  # asked first: what it reported last is read below
            for report in process.reports():
                self._display.report(process.job, report)
            if has_ended:
                self._running.remove(process)
                code, errors = process.close()
                if code and stop:
                    self._stopped.append(process.job)
                elif code == START_AGAIN and process.job not in self._restarted:  # a signal to this process alone
                    self._restarted.add(process.job)
                    self._waiting.insert(0, process.job)
                elif code:
                    self._fail(process.job, _reasons(code, errors))
                else:
                    self._display.finished(process.job, warnings=errors)
        self._display.refresh(len(self._running))

    def _fail(self, job: Job, lines: Sequence[str]) -> None:
        *earlier, self._reasons[job] = lines
        self._display.failed(job, self._reasons[job], earlier)


def _reasons(code: int, errors: Sequence[str]) -> list[str]:
    """Return what a process that failed has to say, the reason last."""
    lines = [line.removeprefix("error: ") for line in errors if not line.startswith("to go on: ")]
    if code < 0:
        names = {int(known): known.name for known in signal.Signals}
        lines.append(f"ended by {names.get(-code, f'signal {-code}')}")
    return lines or [f"exit code {code}"]
