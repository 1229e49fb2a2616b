"""The jobs that a command is split into, each checked before anything is submitted."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from foundations.errors import InvalidValue, UserError
from open_lth.cluster.plan import Task
from open_lth.cluster.records import Output
from open_lth.command_runs import Words, read_command
from open_lth.commands import lottery_branch, reproduce
from open_lth.flags.levels import read_levels
from open_lth.flags.platform_flags import without_platform_flags
from open_lth.jobs import Job
from open_lth.runners.evaluation import is_measured
from training import TrainingRun

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


def tasks_of(args: argparse.Namespace, argv: Sequence[str]) -> list[Task]:
    """Return what is to be submitted for a command: what is not done yet, each after what it needs.

    `reproduce` is a task for each experiment; `lottery_branch` one for each level, unless `--jobs` says that one job
    trains several at a time; every other command is one.

    Raises:
        UserError: if a flag is missing, unknown or invalid.
    """
    if not _DEVICE.fullmatch(args.device):  # which there are, the job's machine knows
        raise InvalidValue("device", args.device, "must be auto, cpu, cuda, cuda:1, ...")
    return _SPLIT.get(args.command_line[0], _whole)(args, argv)


def _whole(args: argparse.Namespace, argv: Sequence[str]) -> list[Task]:
    words = without_platform_flags(args.command_line)
    return _unless_done(words, words[0], args)


def _levels_of_branch(args: argparse.Namespace, argv: Sequence[str]) -> list[Task]:
    if args.jobs > 1:
        return _whole(args, argv)
    words = without_platform_flags(args.command_line)
    tasks = []
    for level in read_levels(args.levels):
        command = lottery_branch.command_of_level(words, level)
        tasks += _unless_done(command, f"{words[0]} {words[1]}, level {level}", args)
    return tasks


def _experiments(args: argparse.Namespace, argv: Sequence[str]) -> list[Task]:
    if args.jobs > 1:
        raise UserError(f"--jobs={args.jobs}: with --platform=slurm, --slurm_parallel says how many run at a time")
    tasks: dict[Job, Task] = {}
    for job in reproduce.jobs_of(args, argv):
        if not job.is_done:
            after = tuple(tasks[earlier] for earlier in job.after if earlier in tasks)
            tasks[job] = _task(job.command, job.label, args, read_command(job.command, args.program, True), after)
    return list(tasks.values())


_SPLIT: dict[str, Callable[[argparse.Namespace, Sequence[str]], list[Task]]] = {
    "lottery_branch": _levels_of_branch,
    "reproduce": _experiments,
}


def _unless_done(words: Words, label: str, args: argparse.Namespace) -> list[Task]:
    runs, passes = read_command(words, args.program, elsewhere=True)
    is_done = all(run.is_done and (not passes or is_measured(run, passes)) for run in runs)
    return [] if is_done else [_task(words, label, args, (runs, passes))]


def _task(
    words: Words,
    label: str,
    args: argparse.Namespace,
    made: tuple[list[TrainingRun], int],
    after: tuple[Task, ...] = (),
) -> Task:
    runs, passes = made
    root = args.root.absolute()
    places = [run.paths.directory.relative_to(root) for run in runs]
    outputs = frozenset(Output(str(place), passes) for place in places)
    needed = [Output(str(place), 0) for place in _needed(words[0], places)]
    missing = frozenset(output for output in needed if not output.is_there(root))
    return Task(label, words, outputs, missing, after)


def _needed(command: str, places: Sequence[Path]) -> list[Path]:
    """Return the runs that must be finished: the trunk's level for a branch, what is measured for `evaluate`."""
    if command == "evaluate":
        return list(places)
    return [place.parent / "main" for place in places] if command == "lottery_branch" else []
