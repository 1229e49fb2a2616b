"""The flags that say which figures are meant, and at which scale."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from foundations.errors import UserError, one_of
from open_lth.flags.context_flags import whole_number
from open_lth.suites.scales import SCALES, read_scale
from open_lth.suites.suite import Scale, with_replicates


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
    count = "replicates of every experiment (default: as the scale says)"
    section.add_argument("--replicates", type=whole_number("replicates", 1), metavar="INT", help=count)


def chosen_scale(args: argparse.Namespace) -> Scale:
    """Return the scale that the flags say.

    Raises:
        UserError: if none is given, or it cannot be read.
    """
    if args.scale is None:
        raise UserError(f"--scale is required: {one_of(SCALES.names())} or the path of a JSON file")
    scale = read_scale(args.scale)
    return scale if args.replicates is None else with_replicates(scale, args.replicates)
