"""The flags that say which figures are meant, and at which scale."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from foundations.arguments import add_flags_of
from foundations.errors import UserError, one_of
from foundations.flags import Count, flag
from open_lth.suites.scales import SCALES, read_scale
from open_lth.suites.suite import Scale, with_networks, with_replicates


@dataclass(frozen=True)
class Replicates:
    """How many replicates, whatever the scale says."""

    replicates: Count | None = flag("replicates of every experiment (default: as the scale says)", None)


def add_scale_flags(section: argparse._ArgumentGroup, figures: Sequence[str], default: str) -> None:
    """Add the flags.

    Args:
        figures: the names of the figures that there are.
        default: which are meant if none is named, in words.
    """
    which = f"{', '.join(figures)} (default: {default})"
    section.add_argument("--figure", nargs="+", action="extend", metavar="NAME", help=which)
    size = f"{', '.join(SCALES.names())} or a JSON file of your own (required)"
    section.add_argument("--scale", metavar="SCALE", help=size)
    named = "networks of the scale, by its names for them (default: all)"
    section.add_argument("--network", nargs="+", action="extend", metavar="NAME", help=named)
    add_flags_of(section, Replicates)


def chosen_scale(args: argparse.Namespace) -> Scale:
    """Return the scale that the flags say.

    Raises:
        UserError: if none is given, it cannot be read, or has no such network.
    """
    if args.scale is None:
        raise UserError(f"--scale is required: {one_of(SCALES.names())} or the path of a JSON file")
    scale = read_scale(args.scale)
    scale = scale if args.replicates is None else with_replicates(scale, args.replicates)
    return _with_networks(scale, args.network, args.figure or ()) if args.network else scale


def _with_networks(scale: Scale, networks: Sequence[str], figures: Sequence[str]) -> Scale:
    found = with_networks(scale, networks)
    for name in figures:
        if name in scale.get("figures", {}) and name not in found["figures"]:
            raise UserError(f"--network={' '.join(networks)}: --scale={scale.name} has no figure {name} for it")
    return found
