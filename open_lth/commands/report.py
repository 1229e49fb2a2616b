"""The subcommand `report`."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foundations.atomic import replace_atomically
from foundations.errors import UserError
from foundations.places import add_place_flags
from open_lth.commands.plot import add_figure_flags, chosen_names, make_plotter, report_undrawn
from open_lth.suites.plots import stem_of

if TYPE_CHECKING:
    from open_lth.figures.chosen import ChosenRuns
    from open_lth.figures.drawing import Drawing
    from open_lth.figures.plotter import Plotter


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.usage = "%(prog)s --scale SCALE [--figure NAME ...] [flags], or %(prog)s --runs NAME ... [flags]"
    section = parser.add_argument_group("What to report", "Figures are drawn from the runs that are finished.")
    add_figure_flags(section)
    help = "where the page goes (default: report.html)"
    section.add_argument("--output", type=Path, default=Path("report.html"), metavar="FILE", help=help)
    add_place_flags(section)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Write one HTML page with all figures, tables, hyperparameters, versions and commands.

    Raises:
        UserError: if a flag is missing or invalid, nothing can be drawn, or a figure asked for by name cannot; then
            the page has the others.
    """
    plotter = make_plotter(args)
    names = chosen_names(args, plotter)
    figures, undrawn = draw_all(plotter, names)
    if not figures:
        report_undrawn(undrawn, is_fatal=True)
    page = make_page(plotter, [name for name in names if stem_of(name) in figures], figures, undrawn)
    output = args.output.expanduser()
    replace_atomically(output, page.encode())
    print(output, flush=True)
    report_undrawn(undrawn, is_fatal=bool(args.figure))


def draw_all(plotter: Plotter | ChosenRuns, names: Sequence[str]) -> tuple[dict[str, Drawing], list[str]]:
    """Return the figures that can be drawn by the names of their files, and why others cannot."""
    figures, undrawn = {}, []
    for name in names:
        try:
            figures[stem_of(name)] = plotter.draw(name)
        except UserError as error:
            undrawn.append(str(error))
    return figures, undrawn


def make_page(
    plotter: Plotter | ChosenRuns, names: Sequence[str], figures: dict[str, Drawing], undrawn: Sequence[str]
) -> str:
    """Return the page about these figures."""
    import pandas as pd

    from open_lth.report.facts import diagnostics, environments, hyperparameters
    from open_lth.report.page import Page

    runs = pd.concat([plotter.runs(name).table for name in names], ignore_index=True)
    shared, differing = hyperparameters(runs)
    page = Page(
        title="Lottery tickets"
        if plotter.scale.name == "runs"
        else f"Lottery tickets at scale {Path(plotter.scale.name).stem}",
        figures=figures,
        undrawn=undrawn,
        shared=shared,
        differing=differing,
        diagnostics=diagnostics(runs),
        environments=environments(runs),
        commands=[shlex.join(["python", "open_lth.py", *words]) for words in plotter.commands(names)],
        scale=json.dumps(plotter.scale.content, indent=2, ensure_ascii=False),
    )
    return page.html()
