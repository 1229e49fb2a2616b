"""The flags that no experiment is named after: where to run, where files lie, and how much is evaluated."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch

from foundations.arguments import Parser, add_flags_of, add_group, given, read_group
from foundations.context import (
    RunContext,
    Sharing,
    check_device,
    choose_device,
    reporting_pipe,
)
from foundations.errors import UserError
from foundations.flags import Count, flag, whole_number
from foundations.places import default_places
from foundations.ranks import Ranks
from foundations.sink import SinkKind
from open_lth.flags.slurm import LOCAL, SLURM, add_slurm_flags, refuse_without_slurm
from training import SINKS

_RANKS = "ranks"
_OF_ONE_RUN = ("replicate", "display_output_location", "evaluate_only_at_end")


@dataclass(frozen=True)
class Invocation:
    """How a command is run, as far as its runs need not know."""

    replicate: Count = flag(
        "the replicate's number; it decides all random numbers; with several, as in 1-5 or 1,3, they run one after "
        "another, or N at a time with --jobs=N",
        1,
    )
    display_output_location: bool = flag("print the directory of the results and exit", False)
    platform: str = flag("where to run; slurm submits it to a cluster", LOCAL, (LOCAL, SLURM))
    device: str = flag("auto, cpu, cuda, cuda:1, ...", "auto", metavar="NAME")
    threads: Annotated[int, whole_number(1, 1024)] | None = flag(
        "threads that compute on the CPU; the last bits of results can depend on their number (default: PyTorch's own "
        "choice)",
        None,
    )


@dataclass(frozen=True)
class Jobs:
    """How much a command does at a time."""

    jobs: Count = flag(
        "how many networks to train at a time, each in a process of its own; no result changes; on the CPU small "
        "networks gain most with --threads=1",
        1,
    )


def add_context_flags(parser: argparse.ArgumentParser, of_one_run: bool = True) -> None:
    """Add the flags that no experiment is named after.

    Args:
        of_one_run: whether to add those that make no sense for several experiments at once, or leave out measures
            that figures show.
    """

    def fits(field: str) -> bool:
        return of_one_run or field not in _OF_ONE_RUN

    section = parser.add_argument_group(RunContext.title, RunContext.about)
    add_flags_of(section, Invocation, only=fits)
    add_flags_of(section, RunContext, defaults={**default_places(), "quiet": False}, only=fits)
    for name, kind in SINKS.items():
        section.add_argument(f"--{name}", action="store_true", help=kind.description.replace("%", "%%"))
        add_flags_of(section, kind, name)
    add_slurm_flags(parser)
    add_group(parser, Sharing, _RANKS)


def read_context(args: argparse.Namespace) -> RunContext:
    """Build the run's context from parsed flags, and give the process its threads, and its GPU if that has a number.

    Raises:
        UserError: if the device does not exist, a flag has no effect on the platform, or a package that it needs is
            not installed.
    """
    refuse_without_slurm(args)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    ranks, device = getattr(args, "ranks", Ranks()), choose_device(args.device)
    check_device(ranks, device, args.device)
    if device.index is not None:
        torch.cuda.set_device(device)  # which streams and graphs take for granted
    context = replace(
        read_group(args, RunContext),
        device=device,
        command=args.command_line,
        report_to=reporting_pipe(),
        sinks=_read_sinks(args),
        sharing=read_group(args, Sharing, _RANKS),
    )
    return replace(context, root=context.root.absolute(), dataset_root=context.dataset_root.absolute()).on(ranks)


def _read_sinks(args: argparse.Namespace) -> dict[str, SinkKind]:
    """Return the sinks that were asked for, by their flags.

    Raises:
        UserError: if the package that one needs is not installed, or one is set up that was not asked for.
    """
    for name, kind in SINKS.items():
        for setting, value in given(args, kind, name).items() if not getattr(args, name) else ():
            raise UserError(f"--{name}_{setting}={value}: has no effect without --{name}")
    asked = {name: kind for name, kind in SINKS.items() if getattr(args, name)}
    for name, kind in asked.items():
        if importlib.util.find_spec(kind.package) is None:
            raise UserError(f"--{name}: needs a package that is not installed: pip install {kind.package}")
    return {name: read_group(args, kind, name) for name, kind in asked.items()}


def without_platform_flags(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command without the flags that say where it runs: what a job of the platform runs itself."""
    parser = Parser(add_help=False)
    add_flags_of(parser, Invocation, only=("platform",).__contains__)
    add_slurm_flags(parser)
    return tuple(parser.parse_known_args(list(words))[1])


def check_alone(ranks: Ranks, what: str) -> None:
    """Refuse what starts processes of its own.

    Raises:
        UserError: if this is one of several processes already.
    """
    if ranks.size > 1:
        raise UserError(f"{what} starts processes of its own: start it without torchrun")
