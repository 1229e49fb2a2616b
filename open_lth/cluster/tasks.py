"""The jobs that a command falls into, each checked before anything is submitted."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from foundations.errors import InvalidValue
from open_lth.cluster.plan import Task
from open_lth.cluster.records import Output
from open_lth.command import COMMANDS, Job
from open_lth.flags.running import without_platform_flags
from open_lth.jobs import read_job

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


def tasks_of(args: argparse.Namespace, argv: Sequence[str]) -> list[Task]:
    """Return what is to be submitted for a command: what is not done yet, each after what it needs.

    Raises:
        UserError: if a flag is missing, unknown or invalid.
    """
    if not _DEVICE.fullmatch(args.device):  # which there are, the job's machine knows
        raise InvalidValue("device", args.device, "must be auto, cpu, cuda, cuda:1, ...")
    tasks: dict[Job, Task] = {}
    for job in _jobs(args, argv):
        if not job.is_done:
            after = tuple(tasks[earlier] for earlier in job.after if earlier in tasks)
            tasks[job] = _task(job, args.root.absolute(), after)
    return list(tasks.values())


def _jobs(args: argparse.Namespace, argv: Sequence[str]) -> list[Job]:
    """Return the jobs that the command falls into; most are one."""
    command = COMMANDS.get(args.command_line[0])
    if command.has_jobs:
        return command.jobs(args, argv)
    words = without_platform_flags(args.command_line)
    return [read_job(words, words[0], args.program, elsewhere=True)]


def _task(job: Job, root: Path, after: tuple[Task, ...]) -> Task:
    runs = [run.paths for run in job.runs]
    outputs = frozenset(Output.of(run.directory.relative_to(root), job.evaluation) for run in runs)
    # What is measured, or the levels that branches start from.
    needed = runs if job.evaluation.passes else [run.trunk for run in runs if run.trunk is not None]
    missing = frozenset(Output(str(run.directory.relative_to(root)), 0) for run in needed if not run.is_finished)
    return Task(job.label, job.command, outputs, missing, after)
