"""Curves of measures over the weights remaining, one for each method, with the dense networks as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from open_lth.figures.layout import (
    in_order_of,
    join_panel,
    line_looks,
    method_line,
    panel_grid,
    split_panels,
    weights_remaining_axis,
)
from open_lth.figures.points import Measure, has_floor, has_pass_bars
from open_lth.suites.styles import DOTTED, Style

_GREY = "#666666"
_LOOSELY_DASHED = (0, (6, 4))
_THICK = 4.0


def draw_curves(found: pd.DataFrame, measures: Sequence[Measure], styles: Mapping[str, Style]) -> Figure:
    """Draw points as `open_lth.figures.points.points` makes them.

    A panel called `A, B` stands in column A and row B; several measures make rows of their own.
    """
    panels = list(dict.fromkeys(found["panel"]))
    columns, kinds = split_panels(panels)
    methods = in_order_of(styles, found["method"])
    legend = {method: method_line(styles[method]) for method in methods} | _explained(found, measures)
    rows = [(kind, measure) for measure in measures for kind in kinds]
    figure, axes = panel_grid(columns, [kind for kind, _ in rows], legend)
    for (kind, measure), row in zip(rows, axes, strict=True):
        for column, axis in zip(columns, row, strict=True):
            draw_panel(axis, found[found["panel"] == join_panel(column, kind)], measure, styles)
        row[0].set_ylabel(measure.label)
    return figure


def _explained(found: pd.DataFrame, measures: Sequence[Measure]) -> dict[str, Artist]:
    """Return the legend of what is drawn beside the curves."""
    legend: dict[str, Artist] = {}
    if (found["level"] == 0).any():
        legend["dense network"] = Line2D([], [], color=_GREY, linestyle=DOTTED, linewidth=1.1)
    if (found["replicates"] > 1).any():
        legend["± std over replicates"] = Patch(color=_GREY, alpha=0.25, linewidth=0)
    if has_pass_bars(found, measures):
        bar = Line2D([], [], color=_GREY, marker="|", markersize=11, markeredgewidth=1.3, linestyle="none")
        legend["final network, ± std over evaluation passes"] = bar
    if any(has_floor(found, measure) for measure in measures):
        legend["if perfectly calibrated"] = Line2D([], [], color=_GREY, linestyle=_LOOSELY_DASHED, linewidth=1.0)
        legend["95 % interval over test images"] = Line2D([], [], color=_GREY, linewidth=_THICK, alpha=0.3)
    return legend


def draw_panel(axis: Axes, found: pd.DataFrame, measure: Measure, styles: Mapping[str, Style]) -> None:
    """Draw one panel's curves."""
    dense_drawn: set[float] = set()
    for method, own in found.groupby("method", sort=False):
        style = styles[str(method)]
        own = own.dropna(subset=[measure.name])
        _draw_curve(axis, own, measure, style)
        for value in own.loc[own["level"] == 0, measure.name]:
            if value not in dense_drawn:  # methods that differ in pruning alone share it
                dense_drawn.add(value)
                axis.axhline(value, color=style.colour, linestyle=DOTTED, linewidth=1.1, alpha=0.8, zorder=1)
    weights_remaining_axis(axis, found["weights"])


def _draw_curve(axis: Axes, own: pd.DataFrame, measure: Measure, style: Style) -> None:
    x, y = own["weights"].to_numpy(float), own[measure.name].to_numpy(float)
    over_replicates = own[f"{measure.name}_replicates"].fillna(0.0).to_numpy(float)
    if over_replicates.any():
        axis.fill_between(x, y - over_replicates, y + over_replicates, color=style.colour, alpha=0.15, linewidth=0)
    if has_pass_bars(own, [measure]):
        # About the final network's own mean: that of a better epoch lies beside it.
        final, over_passes = (own[f"{measure.name}{end}"].to_numpy(float) for end in ("_final", "_passes"))
        axis.errorbar(x, final, over_passes, fmt="none", ecolor=style.colour, elinewidth=1.0, capsize=2.5, zorder=2)
    if has_floor(own, measure):
        floor, low, high = (own[f"{measure.name}{end}"].to_numpy(float) for end in ("_floor", "_low", "_high"))
        axis.plot(x, floor, color=style.colour, linestyle=_LOOSELY_DASHED, linewidth=1.0, alpha=0.8, zorder=1)
        axis.vlines(x, low, high, color=style.colour, linewidth=_THICK, alpha=0.3, zorder=1)
    axis.plot(x, y, **line_looks(style), zorder=3)
