"""Instability of tickets to the noise of SGD, over the weights remaining, beside how well they do."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from foundations.errors import UserError
from open_lth.figures.comparison import PAIRED, are_compared, differences, with_columns
from open_lth.figures.curves import draw_curves
from open_lth.figures.drawing import Drawing
from open_lth.figures.points import KEYS, Measure, in_order_of_runs
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

SHOWN = (
    Measure("instability", "Instability (points of error)", 100.0),
    Measure("accuracy", "Accuracy of the copies (%)", 100.0),
)
STABLE = 2.0
"""Points of error below which two copies count as connected (Frankle et al. 2020, section 2)."""

_LISTED = {"loss_instability": "instability of the loss", "l2": "distance of weights", "symmetric_kl": "symmetric KL"}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the instability and the accuracy of pairs of copies, and list the distances between them.

    Raises:
        UserError: if no copies have been connected.
    """
    if runs.results.empty:
        raise UserError("no two copies of a ticket have been compared; `lottery_branch fork`, then `connect` do it")
    pairs = pairs_of(runs.results)
    found = instability_points(pairs)
    caption = (
        "Two copies of each ticket, trained from one step to the end under other orders of the data and other noise; "
        "no other epoch is selected. Instability: how much greater the test error is at its worst on the line between "
        f"them than at its ends; below {STABLE:g} points, copies count as connected (Frankle et al. 2020). Weights, "
        "and means and log stds of random ones, are interpolated, and the statistics of BatchNorm recomputed. Below, "
        "the copies' mean accuracy. Bands: one standard deviation over replicates. Dotted horizontal lines: the "
        "dense networks."
    )
    caption += f" {PAIRED}" if are_compared(found) else ""
    numbers = compared(_readable(found), pairs, runs.against)
    return Drawing(title, draw_curves(found, SHOWN, styles), numbers, caption, runs.missing)


def pairs_of(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each pair of copies, out of what `connect` has found: a row for each point on the line."""
    return results.dropna(subset=["instability"]).drop_duplicates(["panel", "method", "directory"])


def instability_points(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return points, as `open_lth.figures.points.points` does, of pairs of copies."""
    groups = pairs.groupby(KEYS, sort=False, observed=True)
    points = pd.DataFrame({"weights": 100 * groups["density"].mean(), "replicates": groups["replicate"].nunique()})
    for measure in SHOWN:
        points[measure.name] = measure.factor * groups[measure.name].mean()
        points[f"{measure.name}_replicates"] = measure.factor * groups[measure.name].std(ddof=1)
    for name in filter(pairs.columns.__contains__, _LISTED):
        points[name] = groups[name].mean()
    return in_order_of_runs(points.reset_index(), pairs, KEYS)


def compared(numbers: pd.DataFrame, pairs: pd.DataFrame, against: str | None) -> pd.DataFrame:
    """Return the numbers of points with differences between methods."""
    added: dict[str, pd.Series[float]] = {}
    for measure in SHOWN:
        added |= differences(pairs, measure.name, measure.name, against, measure.factor)
    return with_columns(numbers, added)


def _readable(found: pd.DataFrame) -> pd.DataFrame:
    headings = {"weights": "weights remaining (%)", **_LISTED}
    for measure in SHOWN:
        headings[measure.name] = measure.label[0].lower() + measure.label[1:]
        headings[f"{measure.name}_replicates"] = f"{measure.name}: std over replicates"
    return found.rename(columns=headings)
