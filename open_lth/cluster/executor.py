"""The one place that talks to submitit about submitting."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from foundations.errors import UserError
from open_lth.cluster.job import CommandJob, command_line
from open_lth.cluster.settings import SlurmSettings

_TIME_LIMITS = 1000
"""How many a job may reach; submitit wants a number."""


def check_tools() -> None:
    """Check that jobs can be submitted from here.

    Raises:
        UserError: if Slurm or submitit is missing.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise UserError(
            "--platform=slurm: there is no Slurm (sbatch) on this machine; submit from one that has it, or try it out "
            "with scripts/slurm_loopback"
        )
    _submitit()


def submit_array(
    commands: Sequence[Sequence[str]],
    program: Sequence[str],
    folder: Path,
    settings: SlurmSettings,
    name: str,
    dependency: str,
) -> list[str]:
    """Submit commands as one array, a single one as a job of its own, and return the jobs' ids.

    Args:
        commands: the words of each after the program's name.
        program: the interpreter and the program's file.
        folder: where logs go.
        dependency: as sbatch takes it; none if empty.

    Raises:
        UserError: if Slurm refuses them.
    """
    submitit = _submitit()
    jobs = [CommandJob(command_line(program, words, settings.gpus), _patience(settings)) for words in commands]
    said = io.StringIO()  # by sbatch, which submitit passes on
    try:
        with _as_from_outside(), contextlib.redirect_stderr(said):
            executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=_TIME_LIMITS)
            executor.update_parameters(**sbatch_parameters(settings, program[1], name, dependency))
            with executor.batch():
                submitted = [executor.submit(job) for job in jobs]
    except submitit.core.utils.FailedJobError as error:
        raise UserError(f"--platform=slurm: {_complaint(error)}") from None
    sys.stderr.write(said.getvalue())
    return [str(job.job_id) for job in submitted]


def sbatch_parameters(settings: SlurmSettings, program: str, name: str, dependency: str) -> dict[str, Any]:
    """Return what submitit writes into the batch script.

    Args:
        program: the program's file.
        name: what `squeue` calls the jobs.
    """
    extra: dict[str, Any] = {key: True if value is None else value for key, value in settings.extra}
    # A job that can be requeued survives time limits, preemption and the failure of its node.
    extra["requeue"] = True
    project = shlex.quote(str(Path(program).absolute().parent))
    parameters = {
        "job_name": name,
        "time": settings.minutes,
        "signal_delay_s": settings.signal_delay,
        "partition": settings.partition,
        "gpus_per_node": settings.gpus,
        "cpus_per_task": settings.cpus,
        "mem": settings.mem,
        "account": settings.account,
        "array_parallelism": settings.parallel or 10**6,
        "nodes": 1,
        "ntasks_per_node": 1,
        "stderr_to_stdout": True,
        # The job's Python must find the project, also where it is not installed.
        "setup": [f"export PYTHONPATH={project}${{PYTHONPATH:+:$PYTHONPATH}}"],
        # Since version 22.05, srun no longer takes this from the batch script.
        "srun_args": [f"--cpus-per-task={settings.cpus}"] if settings.cpus else None,
        "wckey": None,
    }
    if dependency:
        parameters["dependency"] = dependency
        extra["kill-on-invalid-dep"] = "yes"  # else it would stay in the queue forever
    return {**parameters, "additional_parameters": extra}


def _patience(settings: SlurmSettings) -> float:
    """Return how long a command may take to save: it must be requeued before Slurm kills it."""
    return max(settings.signal_delay - 30, settings.signal_delay / 2)


@contextlib.contextmanager
def _as_from_outside() -> Iterator[None]:
    """Hide, inside the block, the variables of a job in which this process runs itself: sbatch would take them over."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    configuration = os.environ.get("SLURM_CONF")
    with _submitit().helpers.clean_env():
        if configuration is not None:
            os.environ["SLURM_CONF"] = configuration
        yield


def _complaint(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in lines if line.startswith("sbatch: ")]
    return "; ".join(told) or (lines[-1] if lines else "sbatch failed")


def _submitit() -> ModuleType:
    try:
        import submitit
    except ImportError:
        raise UserError("--platform=slurm needs the package submitit: pip install 'submitit>=1.5,<2'") from None
    return submitit
