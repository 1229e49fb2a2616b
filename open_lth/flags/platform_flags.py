"""The flags that say whether a command runs here or is submitted to Slurm, and what its jobs ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from foundations.arguments import Parser
from foundations.errors import InvalidValue, UserError, one_of

LOCAL, SLURM = "local", "slurm"
PLATFORMS = (LOCAL, SLURM)
PREFIX = "slurm_"

_FLAGS = {
    "partition": ("NAME", "partition (default: the cluster's)"),
    "time": ("TIME", "time limit as sbatch takes it, e.g. 30 (minutes), 04:00:00 or 1-12; a job that reaches it is "
             "requeued and goes on (default: 04:00:00)"),
    "gpus": ("INT", "GPUs, all of one node; with more than one, a process for each (default: what the cluster gives)"),
    "cpus": ("INT", "CPUs (default: what the cluster gives)"),
    "mem": ("SIZE", "memory as sbatch takes it, e.g. 16GB (default: what the cluster gives)"),
    "account": ("NAME", "whom to charge (default: the cluster's)"),
    "extra": ("KEY[=VALUE]", "a further option of sbatch, e.g. constraint=a100; may be repeated"),
    "signal_delay": ("SECONDS", "how long before its time limit a job is told to save and to make way "
                     "(default: 120, or a quarter of a shorter limit)"),
    "parallel": ("INT", "how many elements of an array run at a time (default: as many as the cluster lets)"),
    "file": ("FILE", "a JSON file with these settings, by the names of the flags without slurm_; flags win"),
}  # fmt: skip


def add_platform_flags(parser: argparse.ArgumentParser, section: argparse._ArgumentGroup | None = None) -> None:
    """Add `--platform`, and the flags of its value `slurm` in a section of their own.

    Args:
        section: where `--platform` is listed.
    """
    (section or parser).add_argument("--platform", type=_platform, default=LOCAL, metavar="NAME",
                                     help="where to run: local, or slurm to submit it to a cluster "
                                     "(default: local)")  # fmt: skip
    slurm = parser.add_argument_group("Slurm (with --platform=slurm)", "What each job asks for.")
    for name, (kind, text) in _FLAGS.items():
        action = "append" if name == "extra" else "store"
        slurm.add_argument(f"--{PREFIX}{name}", action=action, metavar=kind, help=text)


def given_flags(args: argparse.Namespace) -> dict[str, str | list[str]]:
    """Return the flags of Slurm that were given, by their names without `slurm_`."""
    found = {name: getattr(args, PREFIX + name, None) for name in _FLAGS}
    return {name: value for name, value in found.items() if value is not None}


def refuse_without_slurm(args: argparse.Namespace) -> None:
    """Refuse flags that would have no effect.

    Raises:
        UserError: if a flag of Slurm is given for a command that runs here.
    """
    for name in given_flags(args) if args.platform == LOCAL else ():
        raise UserError(f"--{PREFIX}{name}: has no effect without --platform=slurm")


def without_platform_flags(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command without the flags of this module: what the job itself runs."""
    parser = Parser(add_help=False)
    add_platform_flags(parser)
    return tuple(parser.parse_known_args(list(words))[1])


def _platform(text: str) -> str:
    if text not in PLATFORMS:
        raise InvalidValue("platform", text, one_of(PLATFORMS))
    return text
