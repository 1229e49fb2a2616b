"""What all figures have in common: panels in a grid, the axis of the weights remaining, one legend below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from open_lth.suites import Style

WEIGHTS_REMAINING = "Weights remaining (%)"
_LOOK: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "legend.fontsize": 9.5,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "open_lth",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}
_PANEL_WIDTH, _PANEL_HEIGHT, _LEAST_WIDTH, _LEGEND_LINE = 3.7, 2.7, 5.2, 0.27
_LEAST_TICKS = 2
_LEGEND_WIDTH_OF_LETTER = 0.072
_LEGEND: Mapping[str, Any] = {"loc": "outside lower center", "frameon": False, "handlelength": 3.2}
_ROW_NAME: Mapping[str, Any] = {"ha": "right", "va": "center", "rotation": 90, "fontweight": "bold"}


def look() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, whatever the user's own settings of matplotlib."""
    return style.context(["default", dict(_LOOK)])


def panel_grid(
    columns: Sequence[str],
    rows: Sequence[str],
    legend: Mapping[str, Artist],
    height: float = _PANEL_HEIGHT,
    width: float = _PANEL_WIDTH,
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with a grid of panels and one legend below, and its axes by row and column.

    Args:
        columns: the titles of the columns.
        rows: what the rows are called, left of their axes; an empty name is not shown.
        legend: what stands for what, by its words.
        height: of a row, in inches.
        width: of a column, likewise.
    """
    total = max(width * len(columns), _LEAST_WIDTH)
    per_line, lines = _legend_shape(list(legend), total)
    figure = Figure(figsize=(total, height * len(rows) + 0.35 + _LEGEND_LINE * lines), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title)
    for row, name in zip(axes, rows, strict=True):
        if name:
            row[0].annotate(name, (0, 0.5), (-48, 0), "axes fraction", "offset points", **_ROW_NAME)
    if legend:
        figure.legend(list(legend.values()), list(legend), ncols=per_line, **_LEGEND)
    return figure, [list(row) for row in axes]


def _legend_shape(labels: Sequence[str], width: float) -> tuple[int, int]:
    """Return how many entries stand in a line of the legend, and how many lines there are."""
    if not labels:
        return 1, 0
    entry = 0.75 + _LEGEND_WIDTH_OF_LETTER * max(map(len, labels))
    per_line = max(1, min(len(labels), int(width / entry)))
    lines = -(-len(labels) // per_line)
    return -(-len(labels) // lines), lines


def method_line(style: Style) -> Line2D:
    """Return a method's entry in the legend."""
    return Line2D([], [], **line_looks(style))


def line_looks(style: Style) -> dict[str, Any]:
    """Return matplotlib's arguments for a line in a style."""
    return {
        "color": style.colour,
        "marker": style.marker,
        "linestyle": style.line,
        "markerfacecolor": style.colour if style.filled else "white",
        "markeredgecolor": style.colour,
        "markersize": 5.5,
        "markeredgewidth": 1.1,
        "linewidth": 1.5,
    }


def weights_remaining_axis(axis: Axes, percentages: Iterable[float], is_labelled: bool = True) -> None:
    """Make the x axis that of the weights remaining: logarithmic, the dense network on the left."""
    shown = [value for value in percentages if value > 0]
    low = min(shown, default=1.0)
    axis.set_xscale("log")
    axis.set_xlim(115, min(low, 90) / 1.15)
    axis.xaxis.set_major_locator(FixedLocator(_ticks(low * 0.87)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if is_labelled:
        axis.set_xlabel(WEIGHTS_REMAINING)


def _ticks(low: float) -> list[float]:
    """Return what is labelled of the percentages from 100 down: at least two, wherever the axis ends."""
    decades = range(2, math.floor(math.log10(low)) - 1, -1)
    for steps in ((1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9), tuple(step / 2 for step in range(2, 20))):
        every = (step * 10.0**decade for decade in decades for step in sorted(steps, reverse=True))
        if len(found := [tick for tick in every if low <= tick <= 100]) >= _LEAST_TICKS:
            return found
    return found


def layer_axis(axis: Axes, layers: Iterable[int]) -> None:
    """Make the x axis that of the layers' indices."""
    axis.set_xlim(0.5, max(layers, default=1) + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def plain_log_y_axis(axis: Axes) -> None:
    """Make the y axis of a finished drawing logarithmic, with few ticks, and numbers instead of powers of ten."""
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    # Over many decades matplotlib leaves out some of them, and then shows none of the ticks between them either.
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1e4 else (1.0,)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def at_weights(panel: str, percentage: float) -> str:
    """Return the title of a panel that is about one level."""
    return f"{panel}\n{percentage:.3g} % of weights remaining"


def in_order_of(styles: Mapping[str, Style], methods: Iterable[str]) -> list[str]:
    """Return the methods that there are, in the order of the styles, which is the same in all figures."""
    present = set(methods)
    return [method for method in styles if method in present]


def split_panels(panels: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the columns and rows of a grid of panels, as `ResNet-20, small images` names a column and a row."""
    parts = [panel.partition(", ") for panel in panels]
    return list(dict.fromkeys(column for column, _, _ in parts)), list(dict.fromkeys(row for _, _, row in parts))


def join_panel(column: str, row: str) -> str:
    """Return the panel of a column and a row."""
    return f"{column}, {row}" if row else column
