"""The flags that no experiment is named after: where to run, where files lie, and how much is evaluated."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch

from foundations.context import (
    DATASET_ROOT_VARIABLE,
    ROOT_VARIABLE,
    RunContext,
    choose_device,
    default_dataset_root,
    default_root,
    reporting_pipe,
    user_path,
)
from foundations.errors import InvalidValue
from foundations.ranks import Ranks
from open_lth.flags.platform_flags import add_platform_flags, refuse_without_slurm
from open_lth.flags.rank_flags import add_rank_flags, check_device, read_sharing
from open_lth.flags.sink_flags import add_sink_flags, read_sinks


def add_context_flags(parser: argparse.ArgumentParser, of_one_run: bool = True) -> None:
    """Add the flags that no experiment is named after.

    Args:
        of_one_run: whether to add those that make no sense for several experiments at once, or leave out measures
            that figures show.
    """
    section = parser.add_argument_group("Running", "Where and how. Nothing here changes the experiment's name.")
    if of_one_run:
        section.add_argument("--replicate", type=whole_number("replicate", 1), default=1, metavar="INT",
                             help="the replicate's number; it decides all random numbers (default: 1)")  # fmt: skip
        section.add_argument("--display_output_location", action="store_true",
                             help="print the directory of the results and exit")  # fmt: skip
    add_place_flags(section)
    section.add_argument("--device", default="auto", metavar="NAME",
                         help="auto, cpu, cuda, cuda:1, ... (default: auto)")  # fmt: skip
    section.add_argument("--num_workers", type=whole_number("num_workers", 0, 1024), default=0, metavar="INT",
                         help="processes that decode the images of large data sets (default: 0)")  # fmt: skip
    section.add_argument("--compile", action="store_true",
                         help="compile the network (torch.compile; captured graphs on a GPU): the first minutes are "
                         "slower, the rest is faster, the last bits of results differ")  # fmt: skip
    section.add_argument("--threads", type=whole_number("threads", 1, 1024), metavar="INT",
                         help="threads that compute on the CPU; the last bits of results can depend on their number "
                         "(default: PyTorch's own choice)")  # fmt: skip
    section.add_argument("--checkpoint_minutes", type=number("checkpoint_minutes", "greater than 0", lambda x: x > 0),
                         default=10.0, metavar="FLOAT",
                         help="minutes of training after which the state is saved, besides every epoch "
                         "(default: 10)")  # fmt: skip
    section.add_argument("--lock_timeout", type=number("lock_timeout", "at least 0", lambda x: x >= 0),
                         default=0.0, metavar="SECONDS",
                         help="how long to wait for another process that works on the same run "
                         "(default: 0, stop at once)")  # fmt: skip
    add_platform_flags(parser, section)
    if of_one_run:
        section.add_argument("--evaluate_only_at_end", action="store_true", help="test at the start and the end only")
    add_sink_flags(section)
    section.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_rank_flags(parser)


def add_place_flags(section: argparse._ArgumentGroup) -> None:
    """Add the flags that say where files lie."""
    root, dataset_root = (str(one).replace("%", "%%") for one in (default_root(), default_dataset_root()))
    section.add_argument("--root", type=path("root"), default=default_root(), metavar="DIR",
                         help=f"where results lie; {ROOT_VARIABLE} sets it too (default: {root})")  # fmt: skip
    section.add_argument("--dataset_root", type=path("dataset_root"), default=default_dataset_root(), metavar="DIR",
                         help=f"where data sets lie; {DATASET_ROOT_VARIABLE} sets it too "
                         f"(default: {dataset_root})")  # fmt: skip


def read_context(args: argparse.Namespace) -> RunContext:
    """Build the run's context from parsed flags, and give the process its threads.

    Raises:
        UserError: if the device does not exist, a flag has no effect on the platform, or a package that it needs is
            not installed.
    """
    refuse_without_slurm(args)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    ranks, device = getattr(args, "ranks", Ranks()), choose_device(args.device)
    check_device(ranks, device, args.device)
    return RunContext(
        root=args.root.absolute(),
        dataset_root=args.dataset_root.absolute(),
        device=device,
        num_workers=args.num_workers,
        compile=args.compile,
        quiet=args.quiet,
        evaluate_only_at_end=args.evaluate_only_at_end,
        command=args.command_line,
        report_to=reporting_pipe(),
        checkpoint_minutes=args.checkpoint_minutes,
        lock_timeout=args.lock_timeout,
        sinks=read_sinks(args),
        sharing=read_sharing(args),
    ).on(ranks)


def whole_number(name: str, least: int, most: int = 10**9) -> Callable[[str], int]:
    """Return what reads a flag that takes a whole number, and refuses those outside a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) < least:
            raise InvalidValue(name, text, f"must be a whole number of at least {least}")
        if int(text) > most:
            raise InvalidValue(name, text, f"must be at most {most}")
        return int(text)

    return read


def number(name: str, valid: str, is_valid: Callable[[float], bool]) -> Callable[[str], float]:
    """Return what reads a flag that takes a finite number.

    Args:
        valid: which numbers are, in words.
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not is_valid(value):
            raise InvalidValue(name, text, f"must be a number {valid}")
        return value

    return read


def path(name: str) -> Callable[[str], Path]:
    """Return what reads a flag that takes a path."""
    return lambda text: user_path(name, text)
