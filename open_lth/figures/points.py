"""The points of curves: measures by weights remaining, with their spreads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from open_lth.results.selection import PEAK, Selection


@dataclass(frozen=True)
class Measure:
    """A measure as figures show it.

    Args:
        name: as in the table of runs, without what says the epoch.
        label: what an axis is called.
        factor: from the table's unit to the label's.
    """

    name: str
    label: str
    factor: float = 1.0


ACCURACY = Measure("accuracy", "Test accuracy (%)", 100.0)
MACE = Measure("mace", "MACE")
ECE = Measure("ece", "ECE")
NLL = Measure("loss", "NLL")
_MEASURES = {measure.name: measure for measure in (ACCURACY, MACE, ECE, NLL)}

KEYS = ["panel", "method", "level"]
_ENDS = ("_floor", "_low", "_high")


def find_measure(name: str) -> Measure:
    """Return a measure by its name."""
    return _MEASURES.get(name) or Measure(name, name)


def points(
    runs: pd.DataFrame, measures: Sequence[Measure], over_passes: bool = False, selection: Selection = PEAK
) -> pd.DataFrame:
    """Return a row for each panel, method and level: means over replicates, and spreads.

    The columns are `panel`, `method`, `level`, `weights` (those remaining, in percent), for each measure its name and
    `<name>_replicates` (standard deviation over replicates, missing for one), and the number `replicates`. Where runs
    have been evaluated, calibration errors also have `<name>_floor` (that of perfectly calibrated predictions),
    `<name>_low` and `<name>_high` (the 95 % interval over test images), means over replicates; floor and interval are
    those of the final networks, the latter moved to the measure that is shown.

    Args:
        runs: a table of runs with `panel` and `method`.
        selection: the epoch of the measures.
        over_passes: whether to add what repeated evaluations of the final networks gave: `<name>_passes` (standard
            deviation over passes, root mean square over the replicates with several), `<name>_final` (the mean that it
            is a deviation from, over the same replicates) and `passes` (their number, the least of these replicates);
            all are missing where no evaluation was repeated.
    """
    runs = runs.dropna(subset=["level"])
    repeated = runs["passes"] > 1
    finals = {f"repeated_{m.name}": runs[f"final_{m.name}"].where(repeated) for m in measures} if over_passes else {}
    runs = runs.assign(repeated=runs["passes"].where(repeated), **finals)
    groups = runs.groupby(KEYS, sort=False, observed=True)
    found = pd.DataFrame({"weights": 100 * groups["density"].mean()})
    for measure in measures:
        of_replicates = groups[selection.column(measure.name)]
        found[measure.name] = measure.factor * of_replicates.mean()
        found[f"{measure.name}_replicates"] = measure.factor * of_replicates.std(ddof=1)
        if has_floor(runs, measure):
            final, floor, low, high = (groups[f"final_{measure.name}{end}"].mean() for end in ("", *_ENDS))
            found[f"{measure.name}_floor"] = floor
            found[f"{measure.name}_low"] = (found[measure.name] + low - final).clip(lower=0.0)
            found[f"{measure.name}_high"] = found[measure.name] + high - final
        if over_passes:
            found[f"{measure.name}_passes"] = measure.factor * groups[f"final_{measure.name}_std"].agg(
                _root_mean_square
            )
            found[f"{measure.name}_final"] = measure.factor * groups[f"repeated_{measure.name}"].mean()
    found["replicates"] = groups["replicate"].nunique()
    if over_passes:
        found["passes"] = groups["repeated"].min()
    return in_order_of_runs(found.reset_index(), runs, KEYS)


def _root_mean_square(values: pd.Series[float]) -> float:
    known = values.dropna()
    return float(np.sqrt((known**2).mean())) if len(known) else float("nan")


def has_floor(table: pd.DataFrame, measure: Measure) -> bool:
    """Return whether a floor is known of a measure, in a table of runs or of points."""
    names = (f"final_{measure.name}_floor", f"{measure.name}_floor")
    return any(name in table and bool(table[name].notna().any()) for name in names)


def has_pass_bars(found: pd.DataFrame, measures: Sequence[Measure]) -> bool:
    """Return whether points have a spread over evaluation passes."""
    names = (f"{measure.name}_passes" for measure in measures)
    return any((found[name] > 0).any() for name in names if name in found)


def in_order_of_runs(found: pd.DataFrame, runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return rows sorted by columns, numbers as they are and words in the order in which the runs have them."""
    ranks = {
        name: {value: rank for rank, value in enumerate(dict.fromkeys(runs[name]))}
        for name in keys
        if name in runs and not pd.api.types.is_numeric_dtype(found[name])
    }
    by = pd.DataFrame({name: found[name].map(ranks[name]) if name in ranks else found[name] for name in keys})
    return found.loc[by.sort_values([*keys]).index].reset_index(drop=True)


def heading_of(measure: Measure) -> str:
    """Return what a measure is called in the heading of a table."""
    return measure.label[0].lower() + measure.label[1:] if measure is ACCURACY else measure.label


def readable(found: pd.DataFrame, measures: Sequence[Measure]) -> pd.DataFrame:
    """Return the points under headings that stand alone."""
    headings = {"weights": "weights remaining (%)"}
    for measure in measures:
        label = heading_of(measure)
        name = label.partition(" (")[0]
        headings |= {
            measure.name: label,
            f"{measure.name}_replicates": f"{name}: std over replicates",
            f"{measure.name}_passes": f"{name}: std over passes",
            f"{measure.name}_final": f"{name}: mean over passes of the final network",
            f"{measure.name}_floor": f"{name}: if perfectly calibrated",
            f"{measure.name}_low": f"{name}: 95 % interval from",
            f"{measure.name}_high": f"{name}: 95 % interval to",
        }
    return found.rename(columns=headings)
