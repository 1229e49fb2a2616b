"""The flags that change no result: where to run, and where files lie."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from foundations.context import (
    DATASET_ROOT_VARIABLE,
    ROOT_VARIABLE,
    RunContext,
    choose_device,
    default_dataset_root,
    default_root,
)
from foundations.errors import InvalidValue


def add_context_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that change no result: where to run and where files lie."""
    section = parser.add_argument_group(
        "Running", "Which replicate, where and how. Nothing here changes the experiment's name."
    )
    section.add_argument("--replicate", type=_positive("replicate"), default=1, metavar="INT",
                         help="the replicate's number; it decides all random numbers (default: 1)")  # fmt: skip
    section.add_argument("--root", type=Path, default=default_root(), metavar="DIR",
                         help=f"where results go; {ROOT_VARIABLE} sets it too (default: {default_root()})")  # fmt: skip
    section.add_argument("--dataset_root", type=Path, default=default_dataset_root(), metavar="DIR",
                         help=f"where data sets lie; {DATASET_ROOT_VARIABLE} sets it too "
                         f"(default: {default_dataset_root()})")  # fmt: skip
    section.add_argument("--device", default="auto", metavar="NAME",
                         help="auto, cpu, cuda, cuda:1, ... (default: auto)")  # fmt: skip
    section.add_argument("--num_workers", type=_count("num_workers"), default=0, metavar="INT",
                         help="processes that decode the images of large data sets (default: 0)")  # fmt: skip
    section.add_argument("--platform", default="local", metavar="NAME",
                         help="where to run: local (default: local)")  # fmt: skip
    section.add_argument("--evaluate_only_at_end", action="store_true", help="test at the start and the end only")
    section.add_argument("--quiet", action="store_true", help="print nothing but errors")
    section.add_argument("--display_output_location", action="store_true",
                         help="print the directory of the results and exit")  # fmt: skip


def read_context(args: argparse.Namespace) -> RunContext:
    """Build the run's context from parsed flags.

    Raises:
        InvalidValue: if the device or the platform does not exist.
    """
    if args.platform != "local":
        raise InvalidValue("platform", args.platform, "valid values are local")
    return RunContext(
        root=args.root.expanduser().absolute(),
        dataset_root=args.dataset_root.expanduser().absolute(),
        device=choose_device(args.device),
        num_workers=args.num_workers,
        quiet=args.quiet,
        evaluate_only_at_end=args.evaluate_only_at_end,
        command=args.command_line,
    )


def _count(name: str) -> Any:
    return _whole_number(name, 0)


def _positive(name: str) -> Any:
    return _whole_number(name, 1)


def _whole_number(name: str, least: int) -> Any:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            raise InvalidValue(name, text, f"must be a whole number of at least {least}")
        return int(text)

    return read
