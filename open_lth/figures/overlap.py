"""How far the tickets of different methods keep the same weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foundations.errors import UserError
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import (
    join_panel,
    layer_axis,
    line_looks,
    method_line,
    panel_grid,
    split_panels,
    weights_remaining_axis,
)
from open_lth.results.masks import ignored_tensors, load_mask, overlap
from open_lth.suites.styles import DASHED, Style, styles_of
from open_lth.suites.suite_runs import SuiteRuns
from training import ALL_LAYERS

CHANCE = "random masks with as many weights in each layer"
_CHANCE_LOOKS: Mapping[str, Any] = {
    "color": "#888888",
    "linestyle": DASHED,
    "linewidth": 1.2,
    "marker": "_",
    "markersize": 9,
    "markeredgewidth": 1.2,
}
HEADINGS = {
    "weights": "weights remaining (%)",
    "index": "layer index",
    "jaccard": "overlap (intersection over union)",
    "chance": "overlap of random masks",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str, reference: str = "") -> Drawing:
    """Draw the overlap of masks over the weights remaining, and by layer at the last level.

    Args:
        reference: the method with which the others are compared; if empty, every two are.
    """
    table = overlaps(runs.table, reference)
    caption = (
        "Overlap of two methods' masks of one level: the weights that both keep over those that either keeps, means "
        "over replicates; methods of one replicate start from the same weights. Above, all layers together; below, "
        "each layer at the last level that all methods have reached. Grey: what random masks with as many weights in "
        "each layer would have, mean over the pairs. Layers that the pruning is told to ignore are left out."
    )
    return Drawing(title, draw_overlaps(table), table.rename(columns=HEADINGS), caption, runs.missing)


def overlaps(runs: pd.DataFrame, reference: str = "") -> pd.DataFrame:
    """Return the overlap of every two methods by panel, level and layer, mean over replicates.

    Args:
        reference: if it is given, one of the two is always this method.

    Raises:
        UserError: if there are no two masks to compare.
    """
    parts = []
    for panel, own in runs.groupby("panel", sort=False, observed=True):
        pruned = own[own["level"] > 0]
        tickets = {(run["method"], run["replicate"], run["level"]): run["directory"] for _, run in pruned.iterrows()}
        masks = {ticket: load_mask(directory) for ticket, directory in tickets.items()}
        ignored = {ticket: ignored_tensors(directory) for ticket, directory in tickets.items()}
        weights = 100 * own.groupby("level")["density"].mean()
        for left, right in _pairs(own["method"], reference):
            for one in (ticket for ticket in masks if ticket[0] == left):
                other = (right, *one[1:])
                if other in masks:
                    layers, level = overlap(masks[one], masks[other], ignored[one] & ignored[other]), one[2]
                    known = {"panel": panel, "methods": f"{left} – {right}", "level": level, "weights": weights[level]}
                    parts.append(layers.assign(**known))
    if not parts:
        raise UserError("no two methods have finished the same level of the same replicate above level 0")
    keys = ["panel", "methods", "level", "weights", "index", "layer"]
    groups = pd.concat(parts).groupby(keys, sort=False, observed=True, dropna=False)
    return groups[["jaccard", "chance"]].mean().reset_index()


def _pairs(methods: Iterable[str], reference: str) -> list[tuple[str, str]]:
    """Return every two methods, the reference first."""
    names = sorted(dict.fromkeys(methods), key=lambda name: name != reference)
    return [pair for pair in itertools.combinations(names, 2) if reference in ("", pair[0])]


def draw_overlaps(table: pd.DataFrame) -> Figure:
    """Draw what `overlaps` returns."""
    pairs = list(dict.fromkeys(table["methods"]))
    columns, kinds = split_panels(table["panel"])
    styles = styles_of(pairs)
    legend = {pair: method_line(styles[pair]) for pair in pairs} | {CHANCE: Line2D([], [], **_CHANCE_LOOKS)}
    figure, rows = panel_grid(columns, [kind for kind in kinds for _ in range(2)], legend)
    for kind, above, below in zip(kinds, rows[::2], rows[1::2], strict=True):
        for column, upper, lower in zip(columns, above, below, strict=True):
            own = table[table["panel"] == join_panel(column, kind)]
            _draw(upper, own[own["layer"] == ALL_LAYERS], "weights", styles)
            weights_remaining_axis(upper, own["weights"])
            _draw_last_layers(lower, own[own["layer"] != ALL_LAYERS], styles)
        above[0].set_ylabel("Overlap of masks, all layers")
        below[0].set_ylabel("Overlap of masks, by layer")
    return figure


def _draw_last_layers(axis: Axes, layers: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    last = layers[layers["level"] == layers.groupby("methods")["level"].max().min()]
    _draw(axis, last, "index", styles)
    layer_axis(axis, last["index"])
    axis.set_xlabel(f"Layer index, at {last['weights'].mean():.3g} % of weights remaining")


def _draw(axis: Axes, table: pd.DataFrame, x: str, styles: Mapping[str, Style]) -> None:
    for pair, curve in table.groupby("methods", sort=False):
        axis.plot(curve[x], curve["jaccard"], **line_looks(styles[str(pair)]))
    chance = table.groupby(x)["chance"].mean()
    axis.plot(chance.index, chance, **_CHANCE_LOOKS)
    axis.set_ylim(-0.02, 1.03)
