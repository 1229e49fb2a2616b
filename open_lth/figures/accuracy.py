"""Figures of measures over the weights remaining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from open_lth.figures.comparison import PAIRED, are_compared, differences, with_columns
from open_lth.figures.curves import draw_curves
from open_lth.figures.drawing import Drawing
from open_lth.figures.points import (
    ACCURACY,
    KEYS,
    Measure,
    find_measure,
    has_floor,
    has_pass_bars,
    heading_of,
    points,
    readable,
)
from open_lth.results.selection import PEAK, SELECTIONS, Selection
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
    found = points(runs.table, chosen, pass_bars, runs.selection)
    figure = draw_curves(found, chosen, styles)
    numbers = compared(readable(found, chosen), runs, chosen)
    return Drawing(title, figure, numbers, caption(found, chosen, runs.selection), runs.missing)


def caption(found: pd.DataFrame, measures: Sequence[Measure], selection: Selection = PEAK) -> str:
    """Return what is to be known to read the curves."""
    names = " and ".join(measure.label.partition(" (")[0] for measure in measures)
    sentences = [
        f"{names} {selection.words}, over the percentage of prunable weights that remain.",
        *spread_sentences(found, measures),
    ]
    if any(has_floor(found, measure) for measure in measures):
        sentences.append(
            "Dashed: what perfectly calibrated predictions of the same confidences would have on average, which is "
            "not 0. Thick bars: 95 % intervals over test images (bootstrap, means over replicates). Both are those of "
            "the final networks, the bars moved to the curve; a calibration error whose bar reaches down to its dashed "
            "line may be chance."
        )
    if (found["level"] == 0).any():
        sentences.append("Dotted horizontal lines: the dense networks.")
    if are_compared(found):
        sentences.append(PAIRED)
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
        sentences.append(
            f"Bars: the final networks, one standard deviation over {counted} evaluation passes about their mean."
        )
    return sentences


def compared(numbers: pd.DataFrame, runs: SuiteRuns, measures: Sequence[Measure]) -> pd.DataFrame:
    """Return the numbers of points with the accuracy of other epochs, and with differences between methods.

    Args:
        numbers: as `readable` gives them.
    """
    table = runs.table.dropna(subset=["level"])
    groups = table.groupby(KEYS, sort=False, observed=True)
    added: dict[str, pd.Series[float]] = {}
    for measure in measures:
        heading = heading_of(measure)
        name = heading.partition(" (")[0]
        others = [one for one in SELECTIONS.values() if one is not runs.selection and measure is ACCURACY]
        for selection in others:
            if selection.column(measure.name) in table:
                means = groups[selection.column(measure.name)].mean()
                added[f"{heading} {selection.heading}"] = measure.factor * means
        added |= differences(table, runs.selection.column(measure.name), name, runs.against, measure.factor)
    return with_columns(numbers, added)
