"""The training runs that a command of the project stands for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from foundations.arguments import Parser
from training import TrainingRun

Words = tuple[str, ...]
"""A command: the words after the program's name."""


def read_command(words: Words, program: Sequence[str] = (), elsewhere: bool = False) -> tuple[list[TrainingRun], int]:
    """Return the training runs that a command stands for, and with how many passes it measures them.

    Args:
        elsewhere: whether it will run on another machine, whose devices are not known here.

    Raises:
        UserError: if a flag is missing, unknown or invalid.
    """
    name, *rest = words
    command = importlib.import_module(f"open_lth.commands.{name}")
    parser = Parser(add_help=False)
    parser.set_defaults(command_line=words, program=program)
    command.add_flags(parser, rest)
    args = parser.parse_args([*rest, "--device=auto"] if elsewhere else rest)
    return command.trainings(args, rest), getattr(args, "passes", 0)
