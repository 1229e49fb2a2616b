"""Figures of measures over the weights remaining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from open_lth.figures.curves import draw_curves
from open_lth.figures.drawing import Drawing
from open_lth.figures.points import Measure, find_measure, has_pass_bars, points, readable
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns


def make(
    runs: SuiteRuns,
    styles: Mapping[str, Style],
    title: str,
    measures: Sequence[str] = ("accuracy",),
    pass_bars: bool = False,
) -> Drawing:
    """Draw the measures of all runs.

    Args:
        pass_bars: whether to show the spread over evaluation passes; only where all stochastic networks of a figure
            are evaluated repeatedly does it compare like with like.
    """
    chosen = [find_measure(name) for name in measures]
    found = points(runs.table, chosen, pass_bars)
    figure = draw_curves(found, chosen, styles)
    return Drawing(title, figure, readable(found, chosen), caption(found, chosen), runs.missing)


def caption(found: pd.DataFrame, measures: Sequence[Measure]) -> str:
    """Return what is to be known to read the curves."""
    names = " and ".join(measure.label.partition(" (")[0] for measure in measures)
    sentences = [
        f"{names} at the epoch of the best test accuracy, over the percentage of prunable weights that remain.",
        *spread_sentences(found, measures),
    ]
    if (found["level"] == 0).any():
        sentences.append("Dotted horizontal lines: the dense networks.")
    return " ".join(sentences)


def spread_sentences(found: pd.DataFrame, measures: Sequence[Measure]) -> list[str]:
    """Return what points, bands and bars are."""
    replicates = sorted(found["replicates"].unique())
    several = max(replicates) > 1
    counted = f"{replicates[0]} to {replicates[-1]}" if len(replicates) > 1 else str(replicates[0])
    sentences = [f"Points are means over {counted} replicates." if several else "One replicate."]
    if several:
        sentences.append("Bands: one standard deviation over replicates.")
    if has_pass_bars(found, measures):
        passes = sorted(found["passes"].dropna().unique())
        counted = f"{passes[0]} to {passes[-1]}" if len(passes) > 1 else str(passes[0])
        sentences.append(f"Bars: one standard deviation over {counted} evaluation passes of the final network.")
    return sentences
