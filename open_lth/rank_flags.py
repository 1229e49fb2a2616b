"""The flags that say how several processes share one run; what is not theirs to say is refused."""

from __future__ import annotations

import argparse

from foundations.context import Sharing
from foundations.errors import InvalidValue, UserError, one_of
from foundations.ranks import Ranks

_CHOICES = {"split": ("examples", "samples"), "noise": ("own", "shared"), "batchnorm": ("first", "synchronised")}
_HELP = {
    "split": "what the processes share out: the examples of each batch, or the samples that a stochastic network draws "
    "for it, with the result of one process",
    "noise": "whether processes that share examples draw different random numbers for them",
    "batchnorm": "the statistics of BatchNorm in training: those of each process's examples, of which the first one's "
    "averages are kept, or, on GPUs, those of the whole batch",
}


def add_rank_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    section = parser.add_argument_group(
        "Several processes",
        "torchrun --nproc_per_node=N open_lth.py ... trains each network with N processes, on GPUs one for each. "
        "The batch size stays that of all of them together.",
    )
    for name, choices in _CHOICES.items():
        default = getattr(Sharing(), name)
        section.add_argument(f"--ranks_{name}", default=default, metavar="NAME",
                             help=f"{_HELP[name]}: {', '.join(choices)} (default: {default})")  # fmt: skip


def read_sharing(args: argparse.Namespace, device: str) -> Sharing:
    """Return how the processes share the work.

    Args:
        device: the kind of device they compute on.

    Raises:
        InvalidValue: if a flag has a value that it cannot have.
    """
    for name, choices in _CHOICES.items():
        value = getattr(args, f"ranks_{name}")
        if value not in choices:
            raise InvalidValue(f"ranks_{name}", value, one_of(choices))
    if args.ranks_batchnorm == "synchronised" and device == "cpu":
        raise InvalidValue("ranks_batchnorm", args.ranks_batchnorm, "needs GPUs; on the CPU the valid value is first")
    return Sharing(args.ranks_split, args.ranks_noise, args.ranks_batchnorm)


def check_alone(ranks: Ranks, what: str) -> None:
    """Refuse what starts processes of its own.

    Raises:
        UserError: if this is one of several processes already.
    """
    if ranks.size > 1:
        raise UserError(f"{what} starts processes of its own: start it without torchrun")


def describe(ranks: Ranks, sharing: Sharing) -> str:
    """Return a line for the reader about how the processes share the work; nothing if there is but one."""
    if ranks.size == 1:
        return ""
    if sharing.split == "samples":
        return f"Processes: {ranks.size}, which share the samples of each batch and draw those that one would draw"
    noise = "draw random numbers of their own" if sharing.noise == "own" else "draw the same random numbers"
    normalised = "each process's part by itself" if sharing.batchnorm == "first" else "whole batches"
    return f"Processes: {ranks.size}, which share the examples of each batch and {noise}; BatchNorm: {normalised}"
