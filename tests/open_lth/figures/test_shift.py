"""The figure of shifts: means over shifts, severities and replicates, by hand."""

from __future__ import annotations

import pytest
from scipy import stats

from foundations.errors import UserError
from open_lth.figures import shift
from open_lth.figures.layout import look
from open_lth.suites.styles import styles_of
from tests.open_lth.figures.evaluated import COLUMNS, runs_of, spread


def shifted(**accuracies: list[float]) -> dict[str, object]:
    """What was kept of a run with these accuracies at severities 1, 2, ...; its other measures are tenths of them."""
    return {
        "shift": {
            name: {
                str(severity): {measure: spread(value if measure == "accuracy" else value / 10) for measure in COLUMNS}
                for severity, value in enumerate(values, start=1)
            }
            for name, values in accuracies.items()
        }
    }


@pytest.fixture
def runs(tmp_path):
    return runs_of(
        tmp_path,
        ("deterministic", 1, shifted(blur=[0.9, 0.7], contrast=[0.8, 0.4])),
        ("deterministic", 2, shifted(blur=[0.7, 0.5], contrast=[0.6, 0.2])),
        ("Bayesian", 1, shifted(blur=[1.0, 1.0], contrast=[1.0, 1.0])),
    )


def test_points_are_means_over_shifts_and_severities_and_their_spread_is_over_replicates(runs):
    found = shift.points_under_shift(shift.under_shift(runs.table)).set_index(["method", "level"])
    row = found.loc[("deterministic", 1)]
    assert (row["weights"], row["replicates"]) == (50.0, 2)
    assert row["accuracy"] == pytest.approx((70 + 50) / 2)
    assert row["accuracy_replicates"] == pytest.approx(20 / 2**0.5)
    assert row["scaled_loss"] == pytest.approx(0.06)
    assert [method for method, _ in found.index] == ["deterministic"] * 2 + ["Bayesian"] * 2


def test_the_table_has_each_severity_and_the_test_images_as_they_are(runs):
    found = shift.by_severity(shift.under_shift(runs.table), runs.table)
    own = found[(found["method"] == "deterministic") & (found["level"] == 0)].set_index("severity")
    assert own["accuracy (%)"].to_dict() == pytest.approx({0: 1.5, 1: 75.0, 2: 45.0})
    assert own["NLL after temperature"].to_dict() == pytest.approx({0: 0.015, 1: 0.075, 2: 0.045})
    assert own["networks"].tolist() == [2, 2, 2]


def test_the_table_has_spreads_over_replicates_and_differences_paired_by_them_at_each_severity(tmp_path):
    runs = runs_of(
        tmp_path,
        ("deterministic", 1, shifted(blur=[0.9, 0.7])),
        ("deterministic", 2, shifted(blur=[0.7, 0.5])),
        ("Bayesian", 1, shifted(blur=[0.9, 0.8])),
        ("Bayesian", 2, shifted(blur=[0.8, 0.8])),
    )
    with look():
        drawn = shift.make(runs, styles_of(["deterministic", "Bayesian"]), "Title")
    found = drawn.table.set_index(["method", "level", "severity"]).sort_index()
    assert found.loc[("deterministic", 1), "accuracy: std over replicates"].tolist() == pytest.approx(
        [0.5**0.5, 200**0.5, 200**0.5]
    )
    difference = "accuracy: difference from the panel's first method"
    assert found.loc["deterministic", difference].isna().all()
    assert found.loc[("Bayesian", 1), difference].tolist() == pytest.approx([0.0, 5.0, 20.0])
    reach = stats.t.ppf(0.975, 1) * 5.0  # the standard error of 0 and 10 points
    ends = [f"accuracy: 95 % interval of the difference {end}" for end in ("from", "to")]
    assert found.loc[("Bayesian", 1, 1), ends].tolist() == pytest.approx([5.0 - reach, 5.0 + reach])
    assert "NLL after temperature: difference from the panel's first method" in found
    assert "paired by replicate" in drawn.caption
    other = shift.by_severity(shift.under_shift(runs.table), runs.table, against="Bayesian")
    assert "accuracy: difference from Bayesian" in other


def test_a_shift_that_some_runs_lack_counts_for_none(tmp_path):
    runs = runs_of(tmp_path, ("deterministic", 1, shifted(blur=[0.5])), ("Bayesian", 1, shifted(blur=[0.5], fog=[0.1])))
    assert set(shift.under_shift(runs.table)["shift"]) == {"blur"}
    runs = runs_of(tmp_path / "none", ("deterministic", 1, shifted(blur=[0.5])), ("Bayesian", 1, shifted(fog=[0.1])))
    with pytest.raises(UserError, match="no shift under which all runs have been measured"):
        shift.under_shift(runs.table)


def test_runs_that_were_not_measured_are_answered_with_what_measures_them(tmp_path):
    with pytest.raises(UserError, match="`evaluate --shift=all` does it"):
        shift.under_shift(runs_of(tmp_path, ("deterministic", 1, {})).table)


def test_it_is_drawn_with_a_row_for_each_measure(runs):
    with look():
        drawn = shift.make(runs, styles_of(["deterministic", "Bayesian"]), "Title")
    assert [axis.get_ylabel() for axis in drawn.figure.axes] == [measure.label for measure in shift.SHOWN]
    assert "(blur, contrast)" in drawn.caption
