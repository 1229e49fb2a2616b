"""Minutes that the training of one level takes (Kuhn et al., table 1), from recorded times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from foundations.errors import UserError
from open_lth.figures.cost import machines
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import in_order_of, line_looks, method_line, panel_grid
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

HEADINGS = {
    "minutes": "minutes per level",
    "std": "minutes per level: std over trainings",
    "trainings": "number of trainings",
    "ratio": "minutes per level relative to the panel's first method",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the mean time of a training by panel and method."""
    table = runtimes(runs.table)
    caption = (
        "Minutes that the training of one level takes, evaluations included: mean and standard deviation over all "
        f"levels and replicates. {machines(runs.table)}"
    )
    return Drawing(title, draw_runtimes(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def runtimes(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the minutes of a training by panel and method, with where they were taken.

    Raises:
        UserError: if no time is known.
    """
    known = runs.dropna(subset=["seconds"])
    if known.empty:
        raise UserError("no training time is recorded")
    groups = known.assign(minutes=known["seconds"] / 60).groupby(["panel", "method"], sort=False, observed=True)
    table = groups["minutes"].agg(minutes="mean", std="std", trainings="count").reset_index()
    first = table.groupby("panel", sort=False)["minutes"].transform("first")
    table.insert(4, "ratio", table["minutes"] / first)
    for place in ("processor", "device", "threads", "machine"):
        table[place] = groups[place].agg(_all).to_numpy()
    return table


def _all(names: pd.Series[Any]) -> str | None:
    return " and ".join(dict.fromkeys(map(str, names.dropna()))) or None


def draw_runtimes(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `runtimes` returns."""
    panels, methods = list(dict.fromkeys(table["panel"])), in_order_of(styles, table["method"])
    legend = {method: method_line(styles[method]) for method in methods}
    figure, [[axis]] = panel_grid([""], [""], legend)
    for rank, method in enumerate(methods):
        own = table[table["method"] == method]
        looks = {**line_looks(styles[method]), "linestyle": "none", "markersize": 8}
        x = [panels.index(panel) + 0.18 * (rank - (len(methods) - 1) / 2) for panel in own["panel"]]
        axis.errorbar(x, own["minutes"], own["std"].fillna(0.0), elinewidth=1.2, capsize=3, **looks)
        for place, minutes in zip(x, own["minutes"], strict=True):
            words, at = f"{minutes:.3g}", (place, minutes)
            axis.annotate(words, at, (9, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_xticks(range(len(panels)), panels)
    axis.set_xlim(-0.6, len(panels) - 0.4)
    axis.set_ylim(bottom=0)
    axis.grid(False, axis="x")
    axis.set_ylabel("Minutes per level")
    return figure
