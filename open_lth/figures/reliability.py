"""Reliability diagrams: how often predictions of a confidence are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.storage import read_json
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import at_weights, in_order_of, line_looks, method_line, panel_grid
from open_lth.results.masks import last_common_level
from open_lth.suites.styles import SOLID, Style
from open_lth.suites.suite_runs import SuiteRuns

FEWEST = 10
"""Bins with fewer predictions than this say nothing; they are in the table, not in the figure."""

DENSE, SPARSEST = "dense", "sparsest"
HEADINGS = {
    "weights": "weights remaining (%)",
    "bin": "bin of the confidence",
    "predictions": "predictions in the bin",
    "confidence": "mean confidence in the bin",
    "accuracy": "fraction correct in the bin",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw reliability diagrams of the dense networks and of the last tickets."""
    table = reliabilities(runs.table)
    passes = sorted({int(number) for number in runs.table["passes"].dropna()})
    counted = " or ".join(map(str, passes))
    averaged = f"the mean over {counted} evaluation passes counts" if passes != [1] else "there was one evaluation pass"
    caption = (
        "Fraction of correct predictions by the confidence of the predicted class, in ten bins of equal width: dense "
        "networks above, the sparsest tickets that all methods have reached below. On the diagonal, confidence is "
        "accuracy; below it, predictions are overconfident. Bins hold the predictions of the final networks of all "
        f"replicates, one for each test image; {averaged}. Bins with fewer than "
        f"{FEWEST} predictions are not drawn."
    )
    return Drawing(title, draw_reliabilities(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def reliabilities(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the bins of dense networks and last tickets by panel and method.

    They are summed over replicates, of each the mean over its evaluation passes: so `predictions` is a number of test
    images, and need not be whole.

    Raises:
        UserError: if no run has been evaluated.
    """
    bins = {directory: _bins(directory) for directory in runs["directory"]}
    evaluated = runs[[bins[directory] is not None for directory in runs["directory"]]]
    if evaluated.empty:
        raise UserError("no run has been evaluated; the command `evaluate`, put before the command of a run, does it")
    parts = []
    for panel, ticket, chosen in _tickets(evaluated):
        for _, run in chosen.iterrows():
            found = pd.DataFrame(bins[run["directory"]])
            edges = [f"{index / len(found):.1f}-{(index + 1) / len(found):.1f}" for index in range(len(found))]
            known = {"panel": panel, "ticket": ticket, "method": run["method"], "weights": 100 * run["density"]}
            parts.append(found.assign(bin=edges, **known))
    keys = ["panel", "ticket", "method", "bin"]
    groups = pd.concat(parts).groupby(keys, sort=False, observed=True)
    sums = groups[["examples", "confidence", "correct"]].sum()
    table = pd.DataFrame({"weights": groups["weights"].mean(), "predictions": sums["examples"]})
    table["confidence"] = sums["confidence"] / sums["examples"]
    table["accuracy"] = sums["correct"] / sums["examples"]
    return table.reset_index()


def _tickets(runs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Iterate over panel, kind of ticket, and its runs; before the first pruning there is no sparsest ticket."""
    for panel, own in runs.groupby("panel", sort=False, observed=True):
        yield str(panel), DENSE, own[own["level"] == 0]
        if last := last_common_level(own):
            yield str(panel), SPARSEST, own[own["level"] == last]


def _bins(directory: str) -> Mapping[str, list[float]] | None:
    """Return the mean of a run's bins over its evaluation passes, or None if it has none."""
    path = RunPaths(Path(directory)).evaluation
    evaluation = read_json(path) if path.exists() else {}
    bins: Mapping[str, list[float]] | None = evaluation.get("reliability")
    return bins and {name: [value / evaluation["passes"] for value in values] for name, values in bins.items()}


def draw_reliabilities(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `reliabilities` returns."""
    panels, methods = list(dict.fromkeys(table["panel"])), in_order_of(styles, table["method"])
    legend = {method: method_line(styles[method]) for method in methods}
    legend["confidence is accuracy"] = Line2D([], [], color="#888888", linewidth=1.0, linestyle=SOLID)
    tickets = [ticket for ticket in (DENSE, SPARSEST) if (table["ticket"] == ticket).any()]
    figure, rows = panel_grid(panels, [""] * len(tickets), legend, height=3.1)
    for ticket, row in zip(tickets, rows, strict=True):
        for panel, axis in zip(panels, row, strict=True):
            own = table[(table["panel"] == panel) & (table["ticket"] == ticket)]
            _draw(axis, own[own["predictions"] >= FEWEST], styles)
            axis.set_title(at_weights(panel, own["weights"].mean()) if len(own) else f"{panel}\nnot pruned yet")
        row[0].set_ylabel("Fraction correct")
    for axis in rows[-1]:
        axis.set_xlabel("Confidence")
    return figure


def _draw(axis: Axes, table: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    axis.plot([0, 1], [0, 1], color="#888888", linewidth=1.0)
    for method, curve in table.groupby("method", sort=False):
        axis.plot(curve["confidence"], curve["accuracy"], **line_looks(styles[str(method)]))
    axis.set_xlim(0, 1.03)
    axis.set_ylim(-0.03, 1.03)
    axis.set_aspect("equal")
