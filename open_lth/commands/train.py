"""The subcommand `train`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from open_lth.commands.header import print_header
from open_lth.flags import add_context_flags, add_training_flags, read_context, read_train_desc, select
from open_lth.train import TrainRunner


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    add_training_flags(parser, select(argv))
    add_context_flags(parser)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Train one network.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    runner = TrainRunner(read_train_desc(args, select(argv)), args.replicate, read_context(args, argv))
    if args.display_output_location:
        print(runner.paths.directory)
        return
    print_header(runner.desc, args.replicate, runner.paths.directory, args.quiet)
    runner.run()
