"""The points of curves: measures by weights remaining, with their spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Measure:
    """A measure as figures show it: that of the epoch of the best test accuracy.

    Args:
        name: as in the table of runs, without `peak_`.
        label: what an axis is called.
        factor: from the table's unit to the label's.
    """

    name: str
    label: str
    factor: float = 1.0


ACCURACY = Measure("accuracy", "Test accuracy (%)", 100.0)
MACE = Measure("mace", "MACE")
_MEASURES = {measure.name: measure for measure in (ACCURACY, MACE)}

KEYS = ["panel", "method", "level"]


def find_measure(name: str) -> Measure:
    """Return a measure by its name."""
    return _MEASURES.get(name) or Measure(name, name)


def points(runs: pd.DataFrame, measures: Sequence[Measure], over_passes: bool = False) -> pd.DataFrame:
    """Return a row for each panel, method and level: means over replicates, and spreads.

    The columns are `panel`, `method`, `level`, `weights` (those remaining, in percent), for each measure its name and
    `<name>_replicates` (standard deviation over replicates, missing for one), and the number `replicates`.

    Args:
        runs: a table of runs with `panel` and `method`.
        over_passes: whether to add `<name>_passes` (standard deviation over evaluation passes of the final network,
            root mean square over the replicates with several) and `passes` (their number, the least of these
            replicates); both are missing where no evaluation was repeated.
    """
    runs = runs.dropna(subset=["level"])
    runs = runs.assign(repeated=runs["passes"].where(runs["passes"] > 1))
    groups = runs.groupby(KEYS, sort=False, observed=True)
    found = pd.DataFrame({"weights": 100 * groups["density"].mean()})
    for measure in measures:
        found[measure.name] = measure.factor * groups[f"peak_{measure.name}"].mean()
        found[f"{measure.name}_replicates"] = measure.factor * groups[f"peak_{measure.name}"].std(ddof=1)
        if over_passes:
            spread = groups[f"final_{measure.name}_std"].agg(_root_mean_square)
            found[f"{measure.name}_passes"] = measure.factor * spread
    found["replicates"] = groups["replicate"].nunique()
    if over_passes:
        found["passes"] = groups["repeated"].min()
    return _in_order(found.reset_index(), runs)


def _root_mean_square(values: pd.Series[float]) -> float:
    known = values.dropna()
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")


def has_pass_bars(found: pd.DataFrame, measures: Sequence[Measure]) -> bool:
    """Return whether points have a spread over evaluation passes."""
    names = (f"{measure.name}_passes" for measure in measures)
    return any((found[name] > 0).any() for name in names if name in found)


def _in_order(found: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Sort by panel and method in the order of the runs, then by level."""
    ranks = {name: {value: rank for rank, value in enumerate(dict.fromkeys(runs[name]))} for name in KEYS[:2]}
    keys = pd.DataFrame({name: found[name].map(ranks[name]) for name in KEYS[:2]} | {"level": found["level"]})
    return found.loc[keys.sort_values(KEYS).index].reset_index(drop=True)


def readable(found: pd.DataFrame, measures: Sequence[Measure]) -> pd.DataFrame:
    """Return the points under headings that stand alone."""
    headings = {"weights": "weights remaining (%)"}
    for measure in measures:
        label = measure.label[0].lower() + measure.label[1:] if measure is ACCURACY else measure.label
        name = label.partition(" (")[0]
        headings |= {
            measure.name: label,
            f"{measure.name}_replicates": f"{name}: std over replicates",
            f"{measure.name}_passes": f"{name}: std over passes",
        }
    return found.rename(columns=headings)
