"""The points of curves: means and spreads over replicates and passes, by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from open_lth.figures.points import ACCURACY, MACE, find_measure, has_floor, has_pass_bars, points, readable
from open_lth.results.selection import LAST, VALIDATION

COLUMNS = [
    *("panel", "method", "replicate", "level", "density", "peak_accuracy"),
    *("final_accuracy", "final_accuracy_std", "passes"),
]
ROWS = [
    ("B", "zeta", 1, 0, 1.0, 0.90, 0.85, 0.03, 5),
    ("B", "zeta", 1, 1, 0.8, 0.80, 0.79, 0.03, 5),
    ("B", "zeta", 2, 0, 1.0, 0.96, 0.95, 0.04, 10),
    ("A", "zeta", 1, 0, 1.0, 0.50, 0.40, math.nan, 1),
    ("B", "alpha", 1, 0, 1.0, 0.70, 0.60, math.nan, 1),
]


def table(rows: list[tuple[object, ...]] = ROWS) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({"level": "Int64", "replicate": "Int64", "passes": "Int64"})


def dense(found: pd.DataFrame, panel: str = "B", method: str = "zeta") -> pd.Series:
    return found[(found["panel"] == panel) & (found["method"] == method) & (found["level"] == 0)].iloc[0]


def test_points_are_means_over_replicates_in_percent():
    found = dense(points(table(), [ACCURACY]))
    assert found["accuracy"] == pytest.approx(93.0) and found["weights"] == 100.0
    assert found["replicates"] == 2


def test_the_spread_over_replicates_is_that_of_a_sample_and_missing_for_one():
    found = points(table(), [ACCURACY])
    assert dense(found)["accuracy_replicates"] == pytest.approx(100 * np.std([0.90, 0.96], ddof=1))
    assert math.isnan(dense(found, "A")["accuracy_replicates"])


def test_spreads_over_passes_of_several_replicates_are_averaged_as_variances():
    found = points(table(), [ACCURACY], over_passes=True)
    assert dense(found)["accuracy_passes"] == pytest.approx(100 * math.sqrt((0.03**2 + 0.04**2) / 2))
    assert math.isnan(dense(found, "A")["accuracy_passes"])


def test_spreads_over_passes_are_about_the_final_networks_and_not_about_the_best_epochs():
    once = ("B", "zeta", 3, 0, 1.0, 0.96, 0.10, math.nan, 1)
    found = points(table([*ROWS, once]), [ACCURACY], over_passes=True)
    assert dense(found)["accuracy_final"] == pytest.approx(90.0) and dense(found)["accuracy"] == pytest.approx(94.0)
    assert math.isnan(dense(found, "A")["accuracy_final"])


def test_passes_are_the_least_of_those_that_were_repeated_and_missing_where_none_was():
    once = ("B", "zeta", 3, 0, 1.0, 0.96, 0.95, math.nan, 1)
    found = points(table([*ROWS, once]), [ACCURACY], over_passes=True)
    assert (dense(found)["replicates"], dense(found)["passes"]) == (3, 5)
    assert pd.isna(dense(found, "A")["passes"])
    assert has_pass_bars(found, [ACCURACY]) and not has_pass_bars(found[found["panel"] == "A"], [ACCURACY])


def test_spreads_over_passes_are_there_only_if_they_are_asked_for():
    found = points(table(), [ACCURACY])
    assert not {"accuracy_passes", "passes"} & set(found) and not has_pass_bars(found, [ACCURACY])


def test_panels_and_methods_keep_their_order_and_levels_ascend_whatever_the_order_of_the_rows():
    found = points(table([ROWS[1], ROWS[4], *ROWS]), [ACCURACY])
    order = list(zip(found["panel"], found["method"], found["level"], strict=True))
    assert order == [("B", "zeta", 0), ("B", "zeta", 1), ("B", "alpha", 0), ("A", "zeta", 0)]


def test_runs_outside_lotteries_are_no_points():
    assert points(table([("B", "zeta", 1, None, 1.0, 0.9, 0.8, 0.03, 5)]), [ACCURACY]).empty


def test_headings_stand_alone():
    always = [
        "panel",
        "method",
        "level",
        "weights remaining (%)",
        "test accuracy (%)",
        "test accuracy: std over replicates",
    ]
    assert list(readable(points(table(), [ACCURACY]), [ACCURACY])) == [*always, "replicates"]
    assert list(readable(points(table(), [ACCURACY], over_passes=True), [ACCURACY])) == [
        *always,
        "test accuracy: std over passes",
        "test accuracy: mean over passes of the final network",
        "replicates",
        "passes",
    ]


def test_measures_come_by_name():
    assert find_measure("mace") is MACE
    assert find_measure("brier").label == "brier"


CALIBRATION = ["peak_mace", "final_mace", "final_mace_floor", "final_mace_low", "final_mace_high"]


def calibrated(*rows: tuple[float, ...]) -> pd.DataFrame:
    """One method's replicates at level 1, by what is known of their calibration."""
    found = pd.DataFrame(rows, columns=CALIBRATION).assign(panel="A", method="m", level=1, density=0.8, passes=1)
    return found.assign(replicate=range(1, len(rows) + 1)).astype({"level": "Int64", "passes": "Int64"})


def test_floor_and_interval_are_means_over_replicates_about_the_measure_that_is_shown():
    runs = calibrated((0.05, 0.06, 0.02, 0.04, 0.09), (0.07, 0.08, 0.03, 0.06, 0.10))
    found = points(runs, [MACE]).iloc[0]
    assert found["mace"] == pytest.approx(0.06) and found["mace_floor"] == pytest.approx(0.025)
    assert (found["mace_low"], found["mace_high"]) == pytest.approx((0.06 - 0.02, 0.06 + 0.025))
    last = points(runs, [MACE], selection=LAST).iloc[0]
    assert last["mace"] == pytest.approx(0.07)
    assert (last["mace_low"], last["mace_high"]) == pytest.approx((0.05, 0.095))
    assert {"MACE: if perfectly calibrated", "MACE: 95 % interval from"} < set(readable(points(runs, [MACE]), [MACE]))


def test_what_was_not_evaluated_has_neither():
    runs = calibrated((0.05, 0.06, math.nan, math.nan, math.nan))
    assert "mace_floor" not in points(runs, [MACE]) and not has_floor(points(runs, [MACE]), MACE)
    assert "mace_floor" not in points(runs.drop(columns=CALIBRATION[2:]), [MACE])


def test_another_epoch_can_be_selected():
    rows = table().assign(final_accuracy=0.5, chosen_accuracy=0.25)
    assert dense(points(rows, [ACCURACY], selection=LAST))["accuracy"] == 50.0
    assert dense(points(rows, [ACCURACY], selection=VALIDATION))["accuracy"] == 25.0
