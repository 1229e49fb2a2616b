"""The subcommand `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foundations.context import (
    DATASET_ROOT_VARIABLE,
    ROOT_VARIABLE,
    default_dataset_root,
    default_root,
)
from foundations.errors import UserError, one_of
from open_lth.context_flags import whole_number
from open_lth.figures.plot import figure_names, plot_of, stem_of, title_of
from open_lth.scales import SCALES, read_scale
from open_lth.suites import with_replicates

if TYPE_CHECKING:
    from open_lth.figures.plotter import Plotter


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.usage = "%(prog)s --scale SCALE [--figure NAME ...] [flags]"
    section = parser.add_argument_group("What to plot", "Figures are drawn from the runs that are finished.")
    add_figure_flags(section)
    section.add_argument("--output", type=Path, default=Path("figures"), metavar="DIR",
                         help="where PNG, PDF, CSV and Markdown files go (default: figures)")  # fmt: skip
    add_place_flags(section)
    titles = "; ".join(f"{name}: {title_of(name)}" for name in figure_names())
    parser.epilog = f"Figures and tables: {titles}."


def add_figure_flags(section: argparse._ArgumentGroup) -> None:
    """Add the flags that say which figures are meant."""
    section.add_argument("--scale", metavar="SCALE",
                         help=f"{', '.join(SCALES.names())} or a JSON file of your own (required)")  # fmt: skip
    section.add_argument("--figure", nargs="+", action="extend", metavar="NAME",
                         help=f"{', '.join(figure_names())} (default: all whose runs the scale has)")  # fmt: skip
    section.add_argument("--replicates", type=whole_number("replicates", 1), metavar="INT",
                         help="replicates of every experiment (default: as the scale says)")  # fmt: skip


def add_place_flags(section: argparse._ArgumentGroup) -> None:
    """Add the flags that say where the runs lie."""
    root, dataset_root = default_root(), default_dataset_root()
    section.add_argument("--root", type=Path, default=root, metavar="DIR",
                         help=f"where results lie; {ROOT_VARIABLE} sets it too (default: {root})")  # fmt: skip
    section.add_argument("--dataset_root", type=Path, default=dataset_root, metavar="DIR",
                         help=f"where data sets lie; {DATASET_ROOT_VARIABLE} sets it too "
                         f"(default: {dataset_root})")  # fmt: skip


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Draw figures and print where they are.

    Raises:
        UserError: if a flag is missing or invalid, nothing can be drawn, or a figure asked for by name cannot.
    """
    plotter = make_plotter(args)
    names = chosen_names(args, plotter)
    output, undrawn = args.output.expanduser(), []
    for name in names:
        try:
            drawn = plotter.draw(name)
        except UserError as error:
            undrawn.append(str(error))
            continue
        print("\n".join(map(str, drawn.save(output, stem_of(name)))), flush=True)
        for line in drawn.missing:
            print(f"figure {name}: missing: {line}", file=sys.stderr)
    report_undrawn(undrawn, is_fatal=bool(args.figure) or len(undrawn) == len(names))


def report_undrawn(undrawn: Sequence[str], is_fatal: bool) -> None:
    """Print why figures could not be drawn.

    Raises:
        UserError: with the last reason, if that is fatal.
    """
    for line in undrawn[: len(undrawn) - is_fatal]:
        print(line, file=sys.stderr)
    if undrawn and is_fatal:
        raise UserError(undrawn[-1])


def make_plotter(args: argparse.Namespace) -> Plotter:
    """Return what draws the figures of the scale.

    Raises:
        UserError: if there is no scale, or something is wrong with it.
    """
    from open_lth.figures.plotter import Plotter

    if args.scale is None:
        raise UserError(f"--scale is required: {one_of(SCALES.names())} or the path of a JSON file")
    scale = read_scale(args.scale)
    if args.replicates is not None:
        scale = with_replicates(scale, args.replicates)
    root, dataset_root = (path.expanduser().absolute() for path in (args.root, args.dataset_root))
    return Plotter(scale, args.scale, root, dataset_root)


def chosen_names(args: argparse.Namespace, plotter: Plotter) -> list[str]:
    """Return the figures asked for, or else all of the scale.

    Raises:
        UserError: if there is no such figure, or none at all.
    """
    for name in args.figure or []:
        plot_of(name)
    names = list(dict.fromkeys(args.figure or plotter.names()))
    if not names:
        raise UserError(f"--scale={args.scale}: has no experiments for any of its figures")
    return names
