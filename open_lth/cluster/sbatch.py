"""The batch script that a job runs, and its submission by sbatch."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from foundations.errors import UserError
from open_lth.flags.slurm import SlurmSettings

_JOB = Path(__file__).with_name("job.sh")


def check_sbatch(folder: Path) -> None:
    """Check that jobs can be submitted from here.

    Args:
        folder: below which logs go.

    Raises:
        UserError: if Slurm is missing, or cannot write there.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "--platform=slurm: there is no Slurm (sbatch) on this machine; submit from one that has it, or try it out "
            "with scripts/slurm_loopback"
        )
    if "\\" in str(folder):
        raise UserError(f"--platform=slurm: {folder}: Slurm takes no backslash in the path of a log")


def submit_array(
    commands: Sequence[Sequence[str]],
    program: Sequence[str],
    script: Path,
    settings: SlurmSettings,
    name: str,
    dependency: str,
) -> list[str]:
    """Submit commands as one array, a single one as a job of its own, and return the jobs' ids.

    Args:
        commands: the words of each after the program's name.
        program: the interpreter and the program's file.
        script: where the script is written; the logs lie beside it.
        name: what `squeue` calls the jobs.
        dependency: as sbatch takes it; none if empty.

    Raises:
        UserError: if Slurm refuses them.
    """
    call = ["sbatch", *sbatch_options(settings, script.parent, name, dependency, len(commands)), str(script)]
    lines = [command_line(program, words, settings.gpus) for words in commands]
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"{batch_script(lines, script.parent, settings)}\n# {shlex.join(call)}\n", encoding="utf-8")
    done = subprocess.run(call, env=_environment(), capture_output=True, text=True, check=False)
    found = re.fullmatch(r"(\d+)(;.*)?\n", done.stdout)  # followed by the cluster's name where there are several
    if done.returncode or found is None:
        raise UserError(f"--platform=slurm: {_complaint(done.stderr or done.stdout)}")
    sys.stderr.write(done.stderr)
    return [found[1]] if len(commands) == 1 else [f"{found[1]}_{index}" for index in range(len(commands))]


def sbatch_options(settings: SlurmSettings, folder: Path, name: str, dependency: str, count: int) -> list[str]:
    """Return the options of sbatch.

    Args:
        folder: where logs go.
        name: what `squeue` calls the jobs.
        dependency: as sbatch takes it; none if empty.
        count: how many commands there are.
    """
    log = str(folder).replace("%", "%%")
    options = {
        "job-name": name,
        "output": f"{log}/%A_%a.out" if count > 1 else f"{log}/%j.out",
        "open-mode": "append",
        "signal": f"B:USR1@{settings.signal_seconds}",
        "time": settings.minutes,
        "nodes": 1,
        "ntasks-per-node": 1,
        "partition": settings.partition,
        "gpus-per-node": settings.gpus,
        "cpus-per-task": settings.cpus,
        "mem": settings.mem,
        "account": settings.account,
        "array": f"0-{count - 1}%{settings.parallel or count}" if count > 1 else None,
        "dependency": dependency or None,
        "kill-on-invalid-dep": "yes" if dependency else None,  # else it would stay in the queue forever
    }
    given = [f"--{key}={value}" for key, value in options.items() if value is not None]
    extra = [f"--{key}" if value is None else f"--{key}={value}" for key, value in settings.extra]
    # A job that can be requeued survives time limits, preemption and the failure of its node.
    return ["--parsable", "--requeue", *given, *extra]


def batch_script(commands: Sequence[Sequence[str]], folder: Path, settings: SlurmSettings) -> str:
    """Return what a job runs: one of some commands, by its place in the array."""
    delay = settings.signal_seconds
    cases = [f"{index}) command=({shlex.join(command)}) ;;" for index, command in enumerate(commands)]
    head = [
        "#!/bin/bash",
        f"folder={shlex.quote(str(folder))}",
        # How many seconds a command may take to save: it must be requeued before Slurm kills it.
        f"patience={max(delay - 30, delay / 2):g}",
        *("case ${SLURM_ARRAY_TASK_ID:-0} in", *cases, "esac"),
    ]
    return "\n".join([*head, _JOB.read_text(encoding="utf-8")])


def command_line(program: Sequence[str], words: Sequence[str], gpus: int | None) -> tuple[str, ...]:
    """Return a command of the project as a job runs it: in one process or, on several GPUs, in one for each.

    Args:
        program: the interpreter and the program's file.
    """
    interpreter, file = program
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}") if (gpus or 1) > 1 else ()
    return (interpreter, *launcher, file, *words)


def _environment() -> dict[str, str]:
    """Return the environment without that of a job in which this process runs itself: sbatch would hand it on."""
    of_a_job = "SLURM_JOB_ID" in os.environ
    kept = (name for name in os.environ if not (of_a_job and name.startswith("SLURM_") and name != "SLURM_CONF"))
    return {name: os.environ[name] for name in kept}


def _complaint(said: str) -> str:
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in said.splitlines()]
    return "; ".join(filter(None, lines)) or "sbatch failed"
