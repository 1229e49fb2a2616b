"""The subcommand `evaluate`: put it before a command to measure what that command has made."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from foundations.errors import InvalidValue, UserError, one_of
from open_lth.command import COMMANDS, Command
from open_lth.runners.evaluation import evaluate_run
from training import TrainingRun

_SHOWN = ("accuracy", "loss", "brier", "ece", "mace")


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags: its own, then those of the command that made the runs."""
    needs_help = not argv or not {"-h", "--help"}.isdisjoint(argv)
    which = f": {', '.join(_with_runs())}" if needs_help else ""
    parser.add_argument("command", metavar="COMMAND", help=f"the command that made the runs{which}")
    section = parser.add_argument_group("Evaluation", "How to measure.")
    passes = "passes over the test set; stochastic networks differ from pass to pass (default: 1)"
    section.add_argument("--passes", type=int, default=1, metavar="INT", help=passes)
    if argv and argv[0] not in ("-h", "--help"):
        _chosen(argv[0]).add_flags(parser, argv[1:])
    parser.usage = "%(prog)s COMMAND [flags of the command] [--passes INT]"


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Measure every run that the command stands for, and print a line for each.

    Raises:
        UserError: if a flag is missing or invalid, or a run is not finished.
    """
    for run in trainings(args, argv):
        if args.display_output_location:
            print(run.paths.evaluation)
            continue
        final = evaluate_run(run, args.passes)["final"]
        if not args.quiet:
            shown = (f"{name} {_with_spread(final[name])}" for name in _SHOWN)
            print(f"{run.label}  {'  '.join(shown)}", flush=True)


def trainings(args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
    """Return the training runs that the command measures.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    if args.passes < 1:
        raise InvalidValue("passes", args.passes, "must be at least 1")
    return _chosen(args.command).trainings(args, argv[1:])


def _with_spread(measured: Mapping[str, Any]) -> str:
    spread = "" if measured["std"] is None else f" ± {measured['std']:.4f}"
    return f"{measured['mean']:.4f}{spread}"


def _chosen(name: str) -> Command:
    if name.startswith("-"):
        raise UserError(f"the command comes first: evaluate COMMAND ...; {one_of(_with_runs())}")
    if not _makes_runs(name):
        raise InvalidValue("command", name, one_of(_with_runs()))
    return COMMANDS.get(name)


def _with_runs() -> list[str]:
    """Return the names of the commands that make runs."""
    return [name for name, _ in COMMANDS.items() if _makes_runs(name)]


def _makes_runs(name: str) -> bool:
    return name != "evaluate" and name in COMMANDS and COMMANDS.get(name).has_trainings
