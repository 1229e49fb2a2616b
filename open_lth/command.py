"""What it takes to be a subcommand: the extension point for what the program can be asked to do."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from foundations.arguments import Parser
from foundations.errors import UserError
from foundations.extension import withdraw
from foundations.registry import Registry
from open_lth.evaluation_request import EvaluationRequest

if TYPE_CHECKING:  # it comes with torch, for which a list of the subcommands need not wait
    from training import TrainingRun

Words = tuple[str, ...]
"""A command: the words after the program's name, the subcommand first."""


@dataclass(frozen=True)
class Command:
    """A subcommand: its line in the list, and the module that does it, imported once it is asked for.

    The module's functions are given `argv`, the words after the subcommand, since some flags decide on others.

    Args:
        description: what it does, in a line.
        module: the module with the functions `add_flags(parser, argv)` and `execute(args, argv)`. If the command stands
            for training runs, it also has `trainings(args, argv)`: then `evaluate` can measure them, figures can be
            drawn from them, and a cluster knows what the command makes. If it measures them, it also has
            `evaluation(args, argv, runs)`, which says what is asked. If it falls into several jobs, it also has
            `jobs(args, argv)`: then a cluster runs each by itself.
        needs_plugins: whether it has to do with what plugins register; what does not need not wait for PyTorch.
        abbreviates: whether flags may be given by their beginnings, as OpenLTH's may. Where it is not for those who
            come from there, a flag of another command could be taken for one of its own.
    """

    description: str
    module: str
    abbreviates: bool = False
    needs_plugins: bool = True

    def add_flags(self, parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
        """Add its flags to a parser."""
        self._implementation.add_flags(parser, argv)

    def execute(self, args: argparse.Namespace, argv: Sequence[str]) -> None:
        """Do it."""
        self._implementation.execute(args, argv)

    @property
    def has_trainings(self) -> bool:
        """Whether it stands for training runs."""
        return "trainings" in vars(self._implementation)

    def trainings(self, args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
        """Return the training runs that it stands for."""
        runs: list[TrainingRun] = self._implementation.trainings(args, argv)
        return runs

    def evaluation(
        self, args: argparse.Namespace, argv: Sequence[str], runs: Sequence[TrainingRun]
    ) -> EvaluationRequest:
        """Return what it measures of its training runs; 0 passes if it measures nothing."""
        if "evaluation" not in vars(self._implementation):
            return EvaluationRequest()
        request: EvaluationRequest = self._implementation.evaluation(args, argv, runs)
        return request

    @property
    def has_jobs(self) -> bool:
        """Whether it falls into several jobs."""
        return "jobs" in vars(self._implementation)

    def jobs(self, args: argparse.Namespace, argv: Sequence[str]) -> list[Job]:
        """Return the jobs that it falls into, each after those whose results it needs."""
        jobs: list[Job] = self._implementation.jobs(args, argv)
        return jobs

    @property
    def _implementation(self) -> ModuleType:
        return importlib.import_module(self.module)


COMMANDS: Registry[Command] = Registry("subcommand")


@dataclass(frozen=True, eq=False)
class Job:
    """One command of the project, to be run in a process of its own.

    Args:
        label: what it is called; a job that is one training run is called as the run is.
        command: the words after the program's name.
        iterations: how many it trains in all, as far as is known beforehand.
        is_done: whether its results are there already.
        after: the jobs whose results it needs.
        runs: the training runs that it makes or measures.
        evaluation: what of the runs is measured; 0 passes if they are trained.
    """

    label: str
    command: Words
    iterations: int = 0
    is_done: bool = False
    after: tuple[Job, ...] = ()
    runs: tuple[TrainingRun, ...] = ()
    evaluation: EvaluationRequest = field(default_factory=EvaluationRequest)

    def __str__(self) -> str:
        return command_line(self.command)


def program_name() -> str:
    """Return how this program is called, in the way in which it was."""
    called = Path(sys.argv[0])
    if called.stem == "open-lth":
        return "open-lth"
    if (called.parent.name, called.name) == ("open_lth", "__main__.py"):
        return "python -m open_lth"
    return "python open_lth.py"


def command_line(words: Sequence[str]) -> str:
    """Return a command as it can be pasted into a shell.

    Args:
        words: those after the program's name.
    """
    return f"{program_name()} {shlex.join(words)}"


def read_flags(
    words: Words, program: Sequence[str] = (), with_help: bool = False, **handed_down: Any
) -> argparse.Namespace:
    """Return what the flags of a command say.

    Where flags are abbreviated, to what no other begins with, `command_line` has them whole.

    Args:
        program: the words before the command that make it run: the interpreter and the program.
        with_help: whether `--help` prints the command's help and leaves.
        handed_down: what else the command is told.

    Raises:
        UserError: if there is no such subcommand, or a flag is missing, unknown or invalid.
    """
    name, *rest = words
    command = COMMANDS.get(name)
    while True:
        program_of_usage = program_name().rpartition(" ")[2]
        parser = Parser(
            prog=f"{program_of_usage} {name}",
            description=command.description,
            usage="%(prog)s [flags]",
            add_help=with_help,
        )
        # Where there are no such flags.
        parser.set_defaults(platform="local", display_output_location=False, dry_run=False)
        try:
            command.add_flags(parser, rest)
        except argparse.ArgumentError as error:
            if withdraw((error.argument_name or "").removeprefix("--")):
                continue
            raise
        whole = parser.spelled_out(rest) if command.abbreviates else (*rest,)
        if whole == (*rest,):
            parser.set_defaults(command_line=(name, *rest), program=program, **handed_down)
            return parser.parse_args(rest)
        rest = [*whole]  # what was abbreviated may bring other flags


def read_command(
    words: Words, program: Sequence[str] = (), elsewhere: bool = False
) -> tuple[list[TrainingRun], EvaluationRequest]:
    """Return the training runs that a command stands for, and what it measures of them.

    Args:
        elsewhere: whether it will run on another machine, whose devices are not known here.

    Raises:
        UserError: if a flag is missing, unknown or invalid, or the command stands for no training runs.
    """
    args = read_flags((*words, "--device=auto") if elsewhere else words, program)
    command = COMMANDS.get(words[0])
    if not command.has_trainings:
        raise UserError(f"{words[0]}: stands for no training runs")
    argv = args.command_line[1 : len(words)]
    runs = command.trainings(args, argv)
    return runs, command.evaluation(args, argv, runs)
