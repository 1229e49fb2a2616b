"""The subcommand `lottery`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from foundations.errors import InvalidValue, UserError
from foundations.paths import Rewinding
from open_lth.commands.header import print_header, print_results
from open_lth.flags.experiment_flags import add_lottery_flags, read_lottery_desc, select
from open_lth.flags.running import add_context_flags, read_context
from open_lth.runners.lottery import Lottery
from open_lth.runners.lottery_runner import LotteryRunner
from training import TrainingRun


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    selection = select(argv)
    levels = selection.variant.default_levels
    section = parser.add_argument_group("Levels", "How often to prune.")
    otherwise = "required" if levels is None else f"default: {levels}"
    about = f"the last pruning level; level 0 is the dense network ({otherwise})"
    section.add_argument("--levels", metavar="N", default=None if levels is None else str(levels), help=about)
    lrr = "rewind the learning rate alone: train on from the learned weights (Renda et al. 2020)"
    section.add_argument("--lrr", action="store_true", help=lrr)
    add_lottery_flags(parser, selection)
    add_context_flags(parser)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Find the tickets of all levels.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    lottery, levels = _lottery(args, argv), _read_levels(args.levels)
    if args.display_output_location:
        print(lottery.paths(0).directory)
        return
    location = lottery.directories.directory
    print_header(lottery.desc, args.replicate, location, lottery.context, f"Levels: 0 to {levels}")
    LotteryRunner(lottery, levels).run()
    print_results([lottery.training(level) for level in range(levels + 1)], lottery.context)


def trainings(args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
    """Return the training runs that the command stands for.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    lottery = _lottery(args, argv)
    return [lottery.training(level) for level in range(_read_levels(args.levels) + 1)]


def _lottery(args: argparse.Namespace, argv: Sequence[str]) -> Lottery:
    rewind = Rewinding.LEARNING_RATE if args.lrr else Rewinding.WEIGHTS
    return Lottery(read_lottery_desc(args, select(argv)), args.replicate, read_context(args), rewind)


def _read_levels(text: str | None) -> int:
    if text is None:
        raise UserError("--levels is required: the last pruning level, e.g. --levels=3")
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise InvalidValue("levels", text, "must be a whole number of at least 0 and at most 9999, the last level")
    return int(text)
