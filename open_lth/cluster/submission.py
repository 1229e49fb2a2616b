"""What becomes of a command with `--platform=slurm`: it is checked, submitted, recorded, and returns at once."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from foundations.errors import UserError
from foundations.interruption import interruption_requests
from foundations.lock import exclusive
from foundations.paths import SUBMISSIONS
from open_lth.cluster.plan import Array, Conditions, Plan, Task, make_plan
from open_lth.cluster.records import SubmittedJob, new_folder, read_records, write_record
from open_lth.cluster.sbatch import check_sbatch, submit_array
from open_lth.cluster.states import ENDING, QUEUED, RUNNING, job_states
from open_lth.cluster.tasks import tasks_of
from open_lth.flags.slurm import SlurmSettings, read_settings

_WAIT = 60.0  # seconds for another process that submits


def submit(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Submit what a command stands for, unless it is done, queued or running already.

    Raises:
        UserError: if a flag is missing or invalid, Slurm is not there, or it refuses.
    """
    settings = read_settings(args)
    tasks = tasks_of(args, argv)
    if not tasks:
        _say(args, "everything is done already")
        return
    root = args.root.absolute()
    check_sbatch(root)
    with exclusive(root / SUBMISSIONS, _WAIT):  # else two of the same command would both find nothing queued
        states = job_states(read_records(root), root)
        active = [job for job, state in states.items() if state.word in (QUEUED, RUNNING)]
        plan = make_plan(tasks, active, [job for job, state in states.items() if state.word == ENDING])
        for task, job_id in plan.queued.items():
            _say(args, f"queued or running already: job {job_id}, {task.label}")
        if plan.arrays:
            _submit(plan, args, settings, new_folder(root))


def _submit(plan: Plan, args: argparse.Namespace, settings: SlurmSettings, folder: Path) -> None:
    submitted: dict[Task, SubmittedJob] = {}
    try:
        for number, array in enumerate(plan.arrays, start=1):
            script = folder / f"submission_{number}.sh"
            commands = [task.command for task in array.tasks]
            waits_for = dependency(array.conditions, submitted)
            with interruption_requests():  # what is submitted is recorded, whatever comes in between
                ids = submit_array(commands, args.program, script, settings, _name(array), waits_for)
                submitted |= {
                    task: SubmittedJob(job_id, task.label, task.command, task.outputs, folder)
                    for task, job_id in zip(array.tasks, ids, strict=True)
                }
                write_record(folder, args.command_line, list(submitted.values()))
            for task in array.tasks:
                _say(args, f"submitted: job {submitted[task].job_id}, {task.label}")
    except UserError:
        if not submitted:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _say(args, f"logs: {folder}")


def dependency(conditions: Conditions, submitted: Mapping[Task, SubmittedJob]) -> str:
    """Return conditions as sbatch takes them."""
    succeeded = [*conditions.succeeded, *(submitted[task].job_id for task in conditions.tasks)]
    kinds = (("afterok", succeeded), ("afterany", list(conditions.ended)))
    return ",".join(":".join((kind, *ids)) for kind, ids in kinds if ids)


def _name(array: Array) -> str:
    """Return what `squeue` calls the jobs."""
    commands = {task.command[0] for task in array.tasks}
    return f"open_lth.{commands.pop()}" if len(commands) == 1 else "open_lth"


def _say(args: argparse.Namespace, line: str) -> None:
    if not args.quiet:
        print(line, flush=True)
