"""What has become of submitted jobs: as Slurm says, as they said themselves, and as the runs' files tell."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from foundations.errors import UserError
from open_lth.cluster.records import SubmittedJob

QUEUED, RUNNING, ENDING, DONE, FAILED, STOPPED = "queued", "running", "ending", "done", "failed", "stopped"

_QUEUED = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING")
_PATIENCE = 20  # seconds for Slurm to answer
_KEPT = 1 << 14  # bytes at the end of a log in which a reason is looked for
BEGINS = re.compile(r"^job \w+ begins on .*\n", re.MULTILINE)
"""What a job prints first whenever it starts."""


class JobState(NamedTuple):
    """A state, and why: what a queued job waits for, or why one failed."""

    word: str
    reason: str = ""


class SlurmIsSilent(UserError):
    """Slurm does not say what has become of jobs."""


def job_states(jobs: Sequence[SubmittedJob], root: Path) -> dict[SubmittedJob, JobState]:
    """Return the state of every job.

    Without accounting Slurm forgets jobs some minutes after their end: one that is neither queued nor running, has not
    said how it ended, and has not made what it was to make, counts as stopped.

    Raises:
        SlurmIsSilent: if that depends on Slurm, and it does not answer.
    """
    states = {job: state for job in jobs if (state := _own_account(job, root)) is not None}
    if left := [job for job in jobs if job not in states]:
        active = read_squeue(_asked("squeue", "--noheader", "--array", "--format=%i|%T|%r", f"--jobs={_ids(left)}"))
        states |= {job: active[job.job_id] for job in left if job.job_id in active}
    if left := [job for job in jobs if job not in states]:
        ended = _from_accounting(left)
        states |= {job: ended.get(job.job_id, JobState(STOPPED, "cancelled or killed")) for job in left}
    return {job: states[job] for job in jobs}


def read_squeue(text: str) -> dict[str, JobState]:
    """Return the states by job from lines `id|state|reason`."""
    states = {}
    for job_id, word, reason in (line.strip().split("|", 2) for line in text.splitlines() if line.count("|") >= 2):
        if word in _QUEUED:
            states[job_id] = JobState(QUEUED, reason if reason != "None" else "")
        else:
            states[job_id] = JobState(ENDING if word == "COMPLETING" else RUNNING)
    return states


def read_sacct(text: str) -> dict[str, JobState]:
    """Return the states by job of those that have ended, from lines `id|state`."""
    states = {}
    for job_id, word in (line.strip().split("|", 1) for line in text.splitlines() if "|" in line):
        short = word.partition(" ")[0]  # CANCELLED by 1000
        states[job_id] = JobState(STOPPED if short in ("CANCELLED", "COMPLETED") else FAILED, f"Slurm says {short}")
    return states


def _own_account(job: SubmittedJob, root: Path) -> JobState | None:
    """Return what the job's files say, or None if it has not ended by itself."""
    if job.is_done(root):
        return JobState(DONE)
    try:
        code = int(json.loads(job.outcome.read_bytes())["exit_code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if code == 0:
        return JobState(STOPPED, "what it made is no longer there")
    return JobState(FAILED, reason_of(code, _end_of(job.log)))


def reason_of(code: int, printed: Sequence[str]) -> str:
    """Return in a line why a command failed.

    Args:
        code: its exit code, as a shell reports it.
        printed: the last lines that it printed.
    """
    ended_by = [f"ended by {one.name}" for one in signal.Signals if code == 128 + one]
    errors = [line.removeprefix("error: ") for line in printed if line.startswith("error: ")]
    said = [line for line in printed if line.strip() and not line.startswith("to go on: ")]
    return [f"exit code {code}", *said[-1:], *errors[-1:], *ended_by][-1]


def _end_of(log: Path) -> list[str]:
    """Return the last lines that a job has printed since it last began."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _KEPT))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return BEGINS.split(text)[-1].splitlines()


def _from_accounting(jobs: Sequence[SubmittedJob]) -> Mapping[str, JobState]:
    if shutil.which("sacct") is None:
        return {}
    try:
        return read_sacct(_asked("sacct", "-n", "-P", "-X", "--format=JobID,State", f"--jobs={_ids(jobs)}"))
    except SlurmIsSilent:  # most often since accounting is off
        return {}


def _ids(jobs: Iterable[SubmittedJob]) -> str:
    return ",".join(dict.fromkeys(job.job_id.partition("_")[0] for job in jobs))


def _asked(*command: str) -> str:
    """Return what one of Slurm's commands says; about jobs that it has forgotten it says nothing."""
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except FileNotFoundError:
        raise SlurmIsSilent(f"{command[0]}: there is no such command on this machine") from None
    except subprocess.TimeoutExpired:
        raise SlurmIsSilent(f"{command[0]}: no answer within {_PATIENCE} seconds") from None
    if found.returncode and "Invalid job id" not in found.stderr:
        said = " ".join(found.stderr.split())
        raise SlurmIsSilent(f"{command[0]}: {said or f'exit code {found.returncode}'}")
    return found.stdout
