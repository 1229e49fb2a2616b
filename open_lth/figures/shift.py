"""Measures under shift, over the weights remaining: test images that are corrupted more and more."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from foundations.errors import UserError
from open_lth.figures.comparison import PAIRED, are_compared, differences, with_columns
from open_lth.figures.curves import draw_curves
from open_lth.figures.drawing import Drawing
from open_lth.figures.points import KEYS, Measure, in_order_of_runs
from open_lth.results.tables import read_shifts
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

SHOWN = (
    Measure("accuracy", "Accuracy under shift (%)", 100.0),
    Measure("scaled_loss", "NLL under shift (nats)"),
    Measure("scaled_ece", "ECE under shift"),
)
_DRAWN = {measure.name for measure in SHOWN}
LISTED = {
    "accuracy": ("accuracy (%)", 100.0),
    "loss": ("NLL", 1.0),
    "scaled_loss": ("NLL after temperature", 1.0),
    "ece": ("ECE", 1.0),
    "scaled_ece": ("ECE after temperature", 1.0),
    "aurc": ("AURC", 1.0),
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw accuracy, NLL and ECE, means over shifts and severities, and list them by severity."""
    found = under_shift(runs.table)
    shifts = sorted(found["shift"].unique())
    caption = (
        f"Final networks on test images that are shifted ({', '.join(shifts)}), means over shifts and severities 1 to "
        "5, over the percentage of prunable weights that remain. NLL and ECE are those after a temperature fitted on "
        "unshifted held-out images, without which networks compare badly (Ashukha et al. 2020). Bands: one standard "
        "deviation over replicates; an ensemble is one. Dotted horizontal lines: the dense networks. The table has the "
        "severities one by one; 0 is the test images as they are."
    )
    points = points_under_shift(found)
    caption += f" {PAIRED}" if are_compared(points) else ""
    numbers = by_severity(found, runs.table, runs.against)
    return Drawing(title, draw_curves(points, SHOWN, styles), numbers, caption, runs.missing)


def under_shift(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the measures of each run under each shift that all runs with any have, with panel, method and density.

    Raises:
        UserError: if no run has been measured under shift, or they have none in common.
    """
    measured = read_shifts(dict.fromkeys(runs["directory"]))[["directory", "shift", "severity", "measure", "value"]]
    if measured.empty:
        raise UserError("no run has been measured under shift; `evaluate --shift=all` does it")
    runs_with = measured.groupby("shift")["directory"].nunique()
    measured = measured[measured["shift"].isin(runs_with.index[runs_with == measured["directory"].nunique()])]
    if measured.empty:
        raise UserError("there is no shift under which all runs have been measured; `evaluate --shift=all` does it")
    labelled = runs.dropna(subset=["level"])[[*KEYS, "density", "directory"]]
    return labelled.merge(measured, on="directory", how="inner")


def points_under_shift(found: pd.DataFrame) -> pd.DataFrame:
    """Return points, as `open_lth.figures.points.points` does, of means over shifts and severities."""
    keys = [*KEYS, "density", "directory", "measure"]
    of_runs = found.groupby(keys, sort=False, observed=True)["value"].mean().unstack("measure").reset_index()
    groups = of_runs.groupby(KEYS, sort=False, observed=True)
    points = pd.DataFrame({"weights": 100 * groups["density"].mean(), "replicates": groups.size()})
    for measure in SHOWN:
        points[measure.name] = measure.factor * groups[measure.name].mean()
        points[f"{measure.name}_replicates"] = measure.factor * groups[measure.name].std(ddof=1)
    return in_order_of_runs(points.reset_index(), found, KEYS)


def by_severity(found: pd.DataFrame, runs: pd.DataFrame, against: str | None = None) -> pd.DataFrame:
    """Return means over shifts and replicates by severity, with spreads and differences; severity 0 is no shift."""
    both, rows = _of_each_run(found, runs), [*KEYS, "severity"]
    groups = both.groupby(rows, sort=False, observed=True)
    table = pd.DataFrame({"weights remaining (%)": 100 * groups["density"].mean()})
    added: dict[str, pd.Series[float]] = {}
    for column, (heading, factor) in LISTED.items():
        name = heading.partition(" (")[0]
        table[heading] = factor * groups[column].mean()
        added[f"{name}: std over replicates"] = factor * groups[column].std(ddof=1)
        if column in _DRAWN:
            added |= differences(both, column, name, against, factor, ["severity"])
    table["networks"] = groups["directory"].nunique()
    return with_columns(in_order_of_runs(table.reset_index(), runs, rows), added, rows)


def _of_each_run(found: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the means over shifts of each run at each severity."""
    names = {f"final_{name}": name for name in LISTED}
    clean = runs[runs["directory"].isin(found["directory"])].rename(columns=names)
    clean = clean[[*KEYS, "density", "directory", *LISTED]].assign(severity=0)
    keys = [*KEYS, "density", "directory", "severity"]
    shifted = found.pivot_table(index=keys, columns="measure", values="value", observed=True, sort=False).reset_index()
    both = pd.concat([clean, shifted.reindex(columns=clean.columns)], ignore_index=True)
    replicates = runs.drop_duplicates("directory").set_index("directory")["replicate"]
    return both.astype({"severity": int}).assign(replicate=both["directory"].map(replicates))
