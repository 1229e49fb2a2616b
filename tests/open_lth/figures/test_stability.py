"""The figure of stability: what `connect` found, by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

from foundations.errors import InvalidValue, UserError
from open_lth.figures import stability
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import look
from open_lth.results.selection import PEAK, VALIDATION
from open_lth.results.tables import read_runs
from open_lth.suites.styles import styles_of
from open_lth.suites.suite_runs import SuiteRuns

FOUND = {
    ("from step 0", 1): {"instability": 0.30, "accuracy": 0.90, "l2": 4.0},
    ("from step 0", 2): {"instability": 0.10, "accuracy": 0.80, "l2": 6.0},
    ("after epoch 1", 1): {"instability": 0.01, "accuracy": 0.95, "l2": 1.0},
    ("after epoch 1", 2): {"instability": 0.03, "accuracy": 0.93, "l2": 2.0},
}
"""By method and replicate, what was found at level 0; one level on, instability is half and l2 one more."""


@pytest.fixture
def runs() -> SuiteRuns:
    """What was found of two methods, at five points on each line, and no runs: `connect` trains nothing."""
    rows = [
        {
            **{"panel": "LeNet", "method": method, "replicate": replicate, "level": level, "density": 0.5**level},
            **{"directory": f"{method}/{replicate}/{level}", "alpha": alpha, "accuracy": own["accuracy"]},
            **{"instability": own["instability"] * 0.5**level, "l2": own["l2"] + level},
        }
        for (method, replicate), own in FOUND.items()
        for level in (0, 1)
        for alpha in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    results = pd.DataFrame(rows).astype({"level": "Int64", "panel": "string", "method": "string"})
    none = read_runs([]).assign(panel="", method="")
    return SuiteRuns(none, {}, [], results=results)


def drawn(runs: SuiteRuns) -> Drawing:
    with look():
        return stability.make(runs, styles_of(["from step 0", "after epoch 1"]), "Title")


def test_points_are_means_over_replicates_in_points_of_error_with_their_spread(runs):
    found = stability.instability_points(stability.pairs_of(runs.results)).set_index(["method", "level"])
    assert found["instability"].tolist() == pytest.approx([20.0, 10.0, 2.0, 1.0])
    assert found["instability_replicates"].tolist() == pytest.approx([200**0.5, 50**0.5, 2**0.5, 0.5**0.5])
    assert found["accuracy"].tolist() == pytest.approx([85.0, 85.0, 94.0, 94.0])
    assert found["accuracy_replicates"].tolist() == pytest.approx([50**0.5, 50**0.5, 2**0.5, 2**0.5])
    assert found["l2"].tolist() == pytest.approx([5.0, 6.0, 1.5, 2.5])
    assert found["weights"].tolist() == [100.0, 50.0] * 2 and found["replicates"].tolist() == [2] * 4


def test_what_is_drawn_and_listed_are_those_points(runs):
    above, below = ([list(line.get_ydata()) for line in axis.get_lines()] for axis in drawn(runs).figure.axes)
    for values in ([20.0, 10.0], [2.0, 1.0]):
        assert pytest.approx(values) in above
    for values in ([85.0, 85.0], [94.0, 94.0]):
        assert pytest.approx(values) in below
    listed = drawn(runs).table.set_index(["method", "level"]).loc[("from step 0", 1)]
    assert listed["instability (points of error)"] == pytest.approx(10.0)
    assert listed["accuracy of the copies (%)"] == pytest.approx(85.0)
    assert listed["distance of weights"] == pytest.approx(6.0)


def test_the_table_has_differences_paired_by_replicate(runs):
    found = drawn(runs).table.set_index(["method", "level"])
    heading = "instability: difference from the panel's first method"
    assert found.loc["from step 0", heading].isna().all()
    assert found.loc["after epoch 1", heading].tolist() == pytest.approx([-18.0, -9.0])  # of -29 and -7 points, halved
    reach = stats.t.ppf(0.975, 1) * 11.0
    ends = [f"instability: 95 % interval of the difference {end}" for end in ("from", "to")]
    assert found.loc[("after epoch 1", 0), ends].tolist() == pytest.approx([-18.0 - reach, -18.0 + reach])
    assert "paired by replicate" in drawn(runs).caption
    other = drawn(runs.shown(PEAK, "after epoch 1")).table.set_index(["method", "level"])
    accuracy = other.loc["from step 0", "accuracy: difference from after epoch 1"]
    assert accuracy.tolist() == pytest.approx([-9.0, -9.0])


def test_where_nothing_was_trained_any_epoch_may_be_selected(runs):
    selected = runs.shown(VALIDATION, None)
    assert drawn(selected).table.equals(drawn(runs).table) and "no other epoch is selected" in drawn(selected).caption


def test_what_to_compare_with_is_one_of_the_methods_that_were_connected(runs):
    assert runs.shown(PEAK, "after epoch 1").against == "after epoch 1"
    with pytest.raises(InvalidValue, match="--against=nonsense: valid values are 'from step 0', 'after epoch 1'"):
        runs.shown(PEAK, "nonsense")


def test_copies_that_have_not_been_connected_are_answered_with_what_connects_them(runs):
    with pytest.raises(UserError, match="`lottery_branch fork`, then `connect` do it"):
        stability.make(SuiteRuns(runs.table, {}, []), {}, "Title")
