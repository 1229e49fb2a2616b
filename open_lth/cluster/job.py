"""What runs inside a job of Slurm: a command, which makes way before the job's time limit and goes on after it.

A job unpickles this, so the module imports little, and submitit only there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foundations.atomic import replace_atomically
from foundations.interruption import START_AGAIN
from open_lth.cluster.process import CommandProcess


class CommandFailed(Exception):
    """The job's command failed; the message says why."""


def command_line(program: Sequence[str], words: Sequence[str], gpus: int | None) -> tuple[str, ...]:
    """Return what a job runs: a command of the project, by one process or, on several GPUs, by one for each.

    Args:
        program: the interpreter and the program's file.
    """
    interpreter, file = program
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}") if (gpus or 1) > 1 else ()
    return (interpreter, *launcher, file, *words)


class CommandJob:
    """Runs a command; submitit calls it in the job, and asks it for a checkpoint when the job must make way.

    Args:
        command: all its words.
        patience: seconds that the command has to save before the job is requeued without waiting for it.
    """

    def __init__(self, command: Sequence[str], patience: float) -> None:
        self.command = tuple(command)
        self.patience = patience
        self._process: CommandProcess | None = None

    def __call__(self) -> None:
        """Run the command.

        Raises:
            CommandFailed: if it failed.
        """
        _outcome_path().unlink(missing_ok=True)  # of an earlier start, if somebody had a failed job requeued
        self._process = CommandProcess(self.command, _make_way_signal())
        code, errors = self._process.wait()
        if code == 0:
            _write_outcome("")
        elif not _job_is_running():  # it is being cancelled or preempted, and Slurm decides what becomes of it
            raise SystemExit(code)
        elif code == START_AGAIN:  # a signal to it alone: as if the time limit were near
            signal.raise_signal(_make_way_signal())
        else:
            reason = reason_of(code, errors)
            _write_outcome(reason)
            raise CommandFailed(reason)

    def checkpoint(self) -> Any:
        """Stop the command and return what the requeued job runs; called by submitit's signal handler."""
        import submitit

        signal.signal(_make_way_signal(), signal.SIG_IGN)  # once is enough
        if self._process is not None and not self._process.stop(self.patience):
            print(f"warning: not saved within {self.patience:.0f} s; the last checkpoint counts", file=sys.stderr)
        return submitit.helpers.DelayedSubmission(CommandJob(self.command, self.patience))


def reason_of(code: int, errors: Sequence[str]) -> str:
    """Return in a line why a command failed.

    Args:
        code: its exit code; minus the number of a signal that ended it.
        errors: the last lines that it wrote to stderr.
    """
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    told = [line.removeprefix("error: ") for line in errors if line.startswith("error: ")]
    said = [line for line in errors if line.strip() and not line.startswith("to go on: ")]
    return [f"exit code {code}", *said[-1:], *told][-1]


def outcome_path(folder: Path, job_id: str) -> Path:
    """Return where a job says how it ended."""
    return folder / f"{job_id}_outcome.json"


def _outcome_path() -> Path:
    import submitit

    environment = submitit.JobEnvironment()
    return outcome_path(environment.paths.folder, environment.job_id)


def _write_outcome(reason: str) -> None:
    """Keep beside the job's log that it is done, or why it failed."""
    replace_atomically(_outcome_path(), json.dumps({"reason": reason}).encode())


def _make_way_signal() -> int:
    import submitit

    return int(getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}"))


def _job_is_running() -> bool:
    """Return whether Slurm lets the job run on; if it does not say, that it does."""
    asked = ["squeue", "--noheader", "--format=%T", f"--jobs={os.environ['SLURM_JOB_ID']}"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return True
    return found.stdout.strip() == "RUNNING"
