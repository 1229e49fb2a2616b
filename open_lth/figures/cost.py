"""Accuracy against the training that a ticket costs, the search for its mask included."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from foundations.errors import UserError
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import in_order_of, line_looks, method_line, panel_grid, weights_remaining_axis
from open_lth.figures.points import KEYS
from open_lth.results.cost import total_seconds
from open_lth.results.selection import PEAK, Selection
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

HEADINGS = {
    "weights": "weights remaining (%)",
    "minutes": "total training (minutes)",
    "accuracy": "test accuracy (%)",
    "own_minutes": "own training (minutes)",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the accuracy over the cost, and the cost over the weights remaining."""
    table = costs(runs.table, runs.selection)
    caption = (
        "What it takes to get the ticket of each level: its own training and those of all levels before it. Above, "
        f"the test accuracy {runs.selection.words} that this buys; each curve runs from the densest network to the "
        "sparsest. Below, the same cost over the weights remaining. Times as recorded, evaluations included, means "
        f"over replicates. {machines(runs.table)}"
    )
    return Drawing(title, draw_costs(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def costs(runs: pd.DataFrame, selection: Selection = PEAK) -> pd.DataFrame:
    """Return minutes and accuracy by panel, method and level, means over replicates.

    Raises:
        UserError: if no time is known.
    """
    known = runs.assign(
        weights=100 * runs["density"],
        minutes=total_seconds(runs) / 60,
        own_minutes=runs["seconds"] / 60,
        accuracy=100 * runs[selection.column("accuracy")],
    ).dropna(subset=["minutes"])
    if known.empty:
        raise UserError("no training time is recorded")
    values = ["weights", "own_minutes", "minutes", "accuracy"]
    means = known.groupby(KEYS, sort=False, observed=True)[values].mean().reset_index()
    order = {method: rank for rank, method in enumerate(dict.fromkeys(runs["method"]))}
    return means.sort_values("method", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def draw_costs(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `costs` returns."""
    panels, methods = list(dict.fromkeys(table["panel"])), in_order_of(styles, table["method"])
    figure, rows = panel_grid(panels, ["", ""], {method: method_line(styles[method]) for method in methods})
    for panel, above, below in zip(panels, *rows, strict=True):
        own = table[table["panel"] == panel]
        for method, curve in own.groupby("method", sort=False):
            looks = line_looks(styles[str(method)])
            above.plot(curve["minutes"], curve["accuracy"], **looks)
            below.plot(curve["weights"], curve["minutes"], **looks)
        above.set_xlabel("Total training (minutes)")
        above.set_xlim(left=0)
        below.set_ylim(bottom=0)
        weights_remaining_axis(below, own["weights"])
    rows[0][0].set_ylabel("Test accuracy (%)")
    rows[1][0].set_ylabel("Total training (minutes)")
    return figure


def machines(runs: pd.DataFrame) -> str:
    """Return the sentences that say where runs were trained, and what else their times depend on."""
    places = runs.dropna(subset=["machine"])[["processor", "device", "machine"]].drop_duplicates()
    places["processor"] = places["processor"].fillna("processor of unknown name")
    named = [f"{place['processor']} ({place['device']} of {place['machine']})" for _, place in places.iterrows()]
    trained = f"Trained on {'; '.join(named)}." if named else "The machine was not recorded."
    return f"{trained} Times depend on how many experiments ran at once."
