"""A Slurm of this test session's own, on the loopback address, as `scripts/slurm_loopback` starts it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cli
from tests.open_lth.running import Outcome, Workplace

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "slurm_loopback"
PATIENCE = 180.0
"""Seconds after which what should have happened is taken for something that never will."""


@dataclass(frozen=True)
class Loopback:
    """The running daemons.

    Args:
        folder: where everything of them lies.
    """

    folder: Path

    @property
    def configuration(self) -> Path:
        """What `SLURM_CONF` must say."""
        return self.folder / "slurm.conf"

    def start(self) -> None:
        """Start what does not run.

        Raises:
            RuntimeError: with the script's own words, if that is not possible here.
        """
        found = self._script("start")
        if found.returncode:
            raise RuntimeError(found.stderr.strip())

    def stop(self) -> None:
        """Stop everything."""
        self._script("stop")

    def kill_controller(self, job: str) -> None:
        """Kill slurmctld as the kernel would, once it has saved its state: it does so seconds after a change.

        Args:
            job: a job of which something unimportant is changed.
        """
        saved = self.folder / "spool" / "ctld" / "job_state"
        changed = time.time()
        asked("scontrol", "update", f"JobId={job}", "Comment=changed")
        until(lambda: saved.exists() and saved.stat().st_mtime > changed, what=lambda: "nothing is saved")
        process = int((self.folder / "run" / "slurmctld.pid").read_text())
        os.kill(process, 9)
        until(lambda: not Path(f"/proc/{process}").exists())

    def _script(self, action: str) -> subprocess.CompletedProcess[str]:
        # To files: the daemons keep what they inherit open.
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            command = ["bash", str(SCRIPT), action, str(self.folder)]
            done = subprocess.run(command, stdout=out, stderr=err, timeout=700, check=False)
            texts = [Path(file.name).read_text() for file in (out, err)]
        return subprocess.CompletedProcess(command, done.returncode, *texts)


def asked(*command: str) -> str:
    """Return what one of Slurm's commands says, which must succeed."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def until(happened: Callable[[], object], patience: float = PATIENCE, what: Callable[[], str] = str) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what()}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Submission:
    """What a command said when it was submitted.

    Args:
        jobs: the ids of the new jobs, in the order in which they were listed.
        queued: the ids of jobs that were queued or running already.
        folder: where the logs are, if there are new jobs.
    """

    jobs: list[str]
    queued: list[str]
    folder: Path

    @staticmethod
    def of(outcome: Outcome) -> Submission:
        """Read it from what the command printed."""
        assert (outcome.code, outcome.err) == (0, ""), outcome
        folder = re.search(r"^logs: (.+)$", outcome.out, re.MULTILINE)
        return Submission(
            re.findall(r"^submitted: job (\w+), ", outcome.out, re.MULTILINE),
            re.findall(r"^queued or running already: job (\w+), ", outcome.out, re.MULTILINE),
            Path(folder[1] if folder else "/nowhere"),
        )

    def log(self, job: str) -> str:
        """Return what a job has printed so far."""
        path = self.folder / f"{job}.out"
        return path.read_text() if path.exists() else ""

    def logs(self) -> str:
        """Return what all jobs have printed."""
        return "\n".join(f"--- {job}\n{self.log(job)}" for job in self.jobs)

    def wait_for(self, job: str, text: str) -> None:
        """Wait until a job has printed something."""
        until(lambda: text in self.log(job), what=lambda: f"{text!r} in {self.logs()}")

    def wait(self) -> None:
        """Wait until no job is queued or running any more."""
        until(lambda: not self.states(), what=lambda: f"{self.states()}\n{self.logs()}")

    def states(self) -> dict[str, str]:
        """Return what Slurm says of the jobs that have not ended."""
        lines = asked("squeue", "--noheader", "--array", "--format=%i %T").split("\n")
        states = dict(line.split() for line in lines if line.strip())
        return {job: states[job] for job in self.jobs if job in states}

    def exit_code(self, job: str) -> int:
        """Return what a job's command ended with by itself."""
        return int(json.loads((self.folder / f"{job}_outcome.json").read_text())["exit_code"])


def restarts(job: str) -> int:
    """Return how often Slurm has started a job again."""
    found = re.search(r"Restarts=(\d+)", asked("scontrol", "show", "job", job))
    assert found
    return int(found[1])


def runs_of(workplace: Workplace) -> str:
    """Return what the command `runs` lists, which takes no root of data sets."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert cli.main(["runs", f"--root={workplace.root}"]) == 0
    assert err.getvalue() == ""
    return out.getvalue()
