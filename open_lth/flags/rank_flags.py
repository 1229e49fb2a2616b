"""The flags that say how several processes share one run; what is not theirs to say is refused."""

from __future__ import annotations

import argparse

import torch

from foundations.context import Sharing
from foundations.errors import InvalidValue, UserError, one_of
from foundations.ranks import Ranks

_CHOICES = {"split": ("examples", "samples"), "noise": ("own", "shared")}
_HELP = {
    "split": "what the processes share out: the examples of each batch, or the samples that a stochastic network draws "
    "for it, with the result of one process",
    "noise": "whether processes that share examples draw different random numbers for them",
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


def read_sharing(args: argparse.Namespace) -> Sharing:
    """Return how the processes share the work.

    Raises:
        InvalidValue: if a flag has a value that it cannot have.
    """
    for name, choices in _CHOICES.items():
        value = getattr(args, f"ranks_{name}")
        if value not in choices:
            raise InvalidValue(f"ranks_{name}", value, one_of(choices))
    return Sharing(args.ranks_split, args.ranks_noise)


def check_device(ranks: Ranks, device: torch.device, name: str) -> None:
    """Check that every process can have a device of its kind.

    Args:
        name: the device as the flag names it.

    Raises:
        InvalidValue: if one cannot.
    """
    if ranks.size == 1:
        return
    if device.type not in ("cpu", "cuda"):
        raise InvalidValue("device", name, "several processes compute on cpu or cuda")
    if name.startswith("cuda:"):
        raise InvalidValue("device", name, "each of several processes has a GPU of its own: say cuda")
    if device.type == "cuda" and not ranks.have_gpus:
        gpus = torch.cuda.device_count()
        raise InvalidValue("device", name, f"there are more processes than GPUs, of which this machine has {gpus}")


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
    return f"Processes: {ranks.size}, which share the examples of each batch and {noise}"
