"""The subcommand `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foundations.errors import UserError
from foundations.places import add_place_flags
from open_lth.suites.plots import figure_names, plot_of, stem_of, title_of
from open_lth.suites.scale_flags import add_scale_flags, chosen_scale

if TYPE_CHECKING:
    from open_lth.figures.chosen import ChosenRuns
    from open_lth.figures.plotter import Plotter


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.usage = "%(prog)s --scale SCALE [--figure NAME ...] [flags], or %(prog)s --runs NAME ... [flags]"
    section = parser.add_argument_group("What to plot", "Figures are drawn from the runs that are finished.")
    add_figure_flags(section)
    help = "where PNG, PDF, CSV and Markdown files go (default: figures)"
    section.add_argument("--output", type=Path, default=Path("figures"), metavar="DIR", help=help)
    add_place_flags(section)
    titles = "; ".join(f"{name}: {title_of(name)}" for name in figure_names())
    parser.epilog = f"Figures and tables: {titles}."


def add_figure_flags(section: argparse._ArgumentGroup) -> None:
    """Add the flags that say which figures are meant, and of which epoch."""
    add_scale_flags(section, figure_names(), default="all whose runs the scale has")
    help = "instead of a scale: lotteries and branches under the root, by the beginnings of their names or hashes"
    section.add_argument("--runs", nargs="+", action="extend", metavar="NAME", help=help)
    help = "whose measures: the epoch's of the best test accuracy, the last, or that of the best validation accuracy"
    section.add_argument("--select", default="peak", metavar="peak|last|validation", help=f"{help} (default: peak)")
    help = "the method, as legends have it, from which tables state differences (default: each panel's first one)"
    section.add_argument("--against", metavar="METHOD", help=help)


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


def make_plotter(args: argparse.Namespace) -> Plotter | ChosenRuns:
    """Return what draws the figures of the scale, or of the runs that were chosen.

    Raises:
        UserError: if there is no scale, or something is wrong with it, or there is no such selection.
    """
    from open_lth.figures.chosen import ChosenRuns
    from open_lth.figures.plotter import Plotter
    from open_lth.results.selection import find_selection

    if args.runs:
        for flag in ("scale", "figure", "network", "replicates"):
            if getattr(args, flag) is not None:
                raise UserError(f"--{flag}: has no effect with --runs, which is instead of a scale")
        return ChosenRuns(args.root.absolute(), tuple(args.runs), find_selection(args.select), args.against)
    root, dataset_root = args.root.absolute(), args.dataset_root.absolute()
    return Plotter(chosen_scale(args), root, dataset_root, find_selection(args.select), args.against)


def chosen_names(args: argparse.Namespace, plotter: Plotter | ChosenRuns) -> list[str]:
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
