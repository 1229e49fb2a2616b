"""The sparsest tickets that match the dense network."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import in_order_of, line_looks, panel_grid, weights_remaining_axis
from open_lth.results.matching import matching_tickets
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

HEADINGS = {
    "dense": "test accuracy of the dense network (%)",
    "std": "standard deviation of the dense network's test accuracy (%)",
    "std_over": "standard deviation over",
    "level": "sparsest matching level",
    "weights": "weights remaining at the matching level (%)",
    "accuracy": "test accuracy at the matching level (%)",
    "last_level": "last level run",
    "last_weights": "weights remaining at the last level (%)",
    "best_dense": "test accuracy of the panel's best dense network (%)",
    "best_level": "sparsest level matching the best dense network",
    "best_weights": "weights remaining at the level matching the best (%)",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw and list the sparsest matching ticket of each method."""
    table = in_percent(matching_tickets(runs.table, runs.selection), styles)
    caption = (
        f"The sparsest level whose test accuracy {runs.selection.words} is within one standard deviation of that of "
        "the dense network, or above it. The standard deviation is that of an accuracy measured on a test set of this "
        "size, or that over replicates where it is larger, since a few replicates may agree by chance; the table says "
        "which. Branches, whatever variant they train, are compared with the dense networks of their trunks. "
        "Small markers: these levels; a method without one has none. Rings: the same against the best dense network "
        "of the panel, whichever method's it is. Thin lines reach to the sparsest level that was run."
    )
    return Drawing(title, draw_matching(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def in_percent(table: pd.DataFrame, styles: Mapping[str, Style]) -> pd.DataFrame:
    """Return the table of matching tickets, panel by panel, with percentages in place of fractions."""
    ranks = {"panel": list(dict.fromkeys(table["panel"])), "method": list(styles)}
    table = table.sort_values(list(ranks), key=lambda column: column.map(ranks[str(column.name)].index))
    table = table.rename(columns={f"{of}density": f"{of}weights" for of in ("", "last_", "best_")})
    names = ["dense", "std", "weights", "accuracy", "last_weights", "best_dense", "best_weights"]
    return table.assign(**{name: 100 * table[name].astype(float) for name in names})


def draw_matching(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `in_percent` returns."""
    panels, methods = list(dict.fromkeys(table["panel"])), in_order_of(styles, table["method"])
    figure, [row] = panel_grid(panels, [""], {}, height=0.7 + 0.32 * len(methods))
    for panel, axis in zip(panels, row, strict=True):
        own = table[table["panel"] == panel]
        for _, ticket in own.iterrows():
            style, y = styles[ticket["method"]], methods.index(ticket["method"])
            axis.plot([100, ticket["last_weights"]], [y, y], color=style.colour, linewidth=0.9, alpha=0.5)
            looks = {**line_looks(style), "linestyle": "none"}
            axis.plot([ticket["weights"]], [y], **{**looks, "markersize": 6})
            ring = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "markeredgecolor": style.colour}
            axis.plot([ticket["best_weights"]], [y], **{**looks, **ring})
        weights_remaining_axis(axis, own["last_weights"])
        axis.set_yticks(range(len(methods)), methods if axis is row[0] else [""] * len(methods))
        axis.set_ylim(len(methods) - 0.4, -0.6)
    return figure
