"""Paired differences against scipy's own interval and by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from open_lth.results.differences import paired_differences


def table(values: dict[tuple[str, str, int], list[float]]) -> pd.DataFrame:
    """A table of runs: accuracies of replicates 1, 2, ... by panel, method and level."""
    rows = [(*key, number, value) for key, own in values.items() for number, value in enumerate(own, start=1)]
    found = pd.DataFrame(rows, columns=["panel", "method", "level", "replicate", "accuracy"])
    return found.astype({"level": "Int64", "replicate": "Int64", "panel": "string", "method": "string"})


FIRST, OTHER = [0.90, 0.80, 0.95, 0.70], [0.92, 0.83, 0.96, 0.74]


def test_the_interval_is_students_for_the_differences_of_replicates():
    found = paired_differences(table({("A", "first", 1): FIRST, ("A", "other", 1): OTHER}), "accuracy")
    [row] = found.to_dict("records")
    assert (row["panel"], row["method"], row["level"], row["pairs"]) == ("A", "other", 1, 4)
    assert row["difference"] == pytest.approx(0.025)
    interval = stats.ttest_rel(OTHER, FIRST).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_replicates_that_vary_together_are_told_apart_where_unpaired_ones_are_not():
    found = paired_differences(table({("A", "first", 1): FIRST, ("A", "other", 1): OTHER}), "accuracy").iloc[0]
    assert found["low"] > 0
    assert stats.ttest_ind(OTHER, FIRST).confidence_interval(0.95).low < 0


def test_only_replicates_that_both_have_are_paired():
    found = paired_differences(table({("A", "first", 1): FIRST, ("A", "other", 1): OTHER[:2]}), "accuracy").iloc[0]
    assert found["pairs"] == 2 and found["difference"] == pytest.approx(0.025)
    reach = stats.t.ppf(0.975, 1) * np.std([0.02, 0.03], ddof=1) / math.sqrt(2)
    assert found["high"] == pytest.approx(0.025 + reach)


def test_one_pair_has_a_difference_and_no_interval():
    found = paired_differences(table({("A", "first", 1): [0.9], ("A", "other", 1): [0.8]}), "accuracy").iloc[0]
    assert found["difference"] == pytest.approx(-0.1)
    assert math.isnan(found["low"]) and math.isnan(found["high"])


def test_any_method_can_be_what_the_others_are_compared_with():
    runs = table({("A", "x", 1): FIRST, ("A", "y", 1): OTHER, ("A", "z", 1): FIRST, ("B", "x", 1): FIRST})
    found = paired_differences(runs, "accuracy", against="y")
    assert found[["panel", "method"]].to_numpy().tolist() == [["A", "x"], ["A", "z"]]
    assert found["difference"].tolist() == pytest.approx([-0.025, -0.025])


def test_ensembles_which_are_of_no_replicate_have_no_partners():
    runs = table({("A", "x", 1): FIRST, ("A", "ensemble", 1): [0.9], ("A", "y", 1): OTHER})
    runs.loc[runs["method"] == "ensemble", "replicate"] = pd.NA
    assert paired_differences(runs, "accuracy")["method"].tolist() == ["y"]
    assert paired_differences(runs, "accuracy", against="ensemble").empty


def test_every_panel_has_its_own_first_method_and_every_level_its_own_pairs():
    found = paired_differences(
        table(
            {
                ("A", "x", 0): [0.5],
                ("A", "x", 1): [0.4],
                ("A", "y", 1): [0.6],
                ("B", "y", 1): [0.9],
                ("B", "x", 1): [0.6],
            }
        ),
        "accuracy",
    )
    rows = found[["panel", "method", "level"]].to_numpy().tolist()
    assert rows == [["A", "y", 1], ["B", "x", 1]]
    assert found["difference"].tolist() == pytest.approx([0.2, -0.3])


def test_what_was_not_measured_is_in_no_pair():
    found = paired_differences(table({("A", "x", 1): [0.5, math.nan], ("A", "y", 1): [0.7, 0.8]}), "accuracy")
    assert found["pairs"].tolist() == [1]
    assert paired_differences(table({("A", "x", 1): [0.5]}), "accuracy").empty


def test_a_panels_first_method_is_what_others_are_compared_with_even_where_it_was_not_measured():
    runs = table({("A", "x", 1): [math.nan, math.nan], ("A", "y", 1): FIRST, ("A", "z", 1): OTHER})
    assert paired_differences(runs, "accuracy").empty


def test_only_what_is_alike_in_further_columns_is_paired():
    mild, severe = (
        table({("A", "x", 1): FIRST, ("A", "y", 1): OTHER}),
        table({("A", "x", 1): OTHER, ("A", "y", 1): FIRST}),
    )
    runs = pd.concat([mild.assign(severity=1), severe.assign(severity=2)])
    found = paired_differences(runs, "accuracy", within=["severity"])
    assert found[["method", "level", "severity", "pairs"]].to_numpy().tolist() == [["y", 1, 1, 4], ["y", 1, 2, 4]]
    assert found["difference"].tolist() == pytest.approx([0.025, -0.025])
