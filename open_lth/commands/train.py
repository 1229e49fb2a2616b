"""The subcommand `train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from open_lth.commands.header import print_header, print_results
from open_lth.flags.experiment_flags import add_training_flags, read_train_desc, select
from open_lth.flags.running import add_context_flags, read_context
from open_lth.runners.train import TrainRunner
from training import TrainingRun


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    add_training_flags(parser, select(argv))
    add_context_flags(parser)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Train one network.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    runner = _runner(args, argv)
    if args.display_output_location:
        print(runner.paths.directory)
        return
    print_header(runner.desc, args.replicate, runner.paths.directory, runner.context)
    runner.run()
    print_results([runner.training()], runner.context)


def trainings(args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
    """Return the training run that the command stands for.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    return [_runner(args, argv).training()]


def _runner(args: argparse.Namespace, argv: Sequence[str]) -> TrainRunner:
    return TrainRunner(read_train_desc(args, select(argv)), args.replicate, read_context(args))
