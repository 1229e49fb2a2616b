"""Curves of measures: what is drawn beside them, and what the caption says of it."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

from foundations.errors import UserError
from open_lth.figures.accuracy import make
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import look
from open_lth.results.selection import LAST, PEAK, VALIDATION, Selection
from open_lth.suites.styles import styles_of
from open_lth.suites.suite_runs import SuiteRuns

COLUMNS = ["method", "replicate", "level", "density", "peak_accuracy", "final_accuracy", "final_accuracy_std", "passes"]
PARTLY_EVALUATED = [
    ("Bayesian", 1, 0, 1.0, 0.90, 0.85, 0.01, 10),
    ("Bayesian", 1, 1, 0.8, 0.91, 0.86, 0.02, 10),
    ("Bayesian", 2, 0, 1.0, 0.92, 0.91, math.nan, 1),
    ("Bayesian", 2, 1, 0.8, 0.93, 0.92, math.nan, 1),
]


def drawn(**options: object) -> Drawing:
    table = pd.DataFrame(PARTLY_EVALUATED, columns=COLUMNS).astype({"level": "Int64", "passes": "Int64"})
    table.insert(0, "panel", "LeNet")
    with look():
        return make(SuiteRuns(table, {}, []), styles_of(["Bayesian"]), "Title", **options)


def bars_and_legend(figure: Drawing) -> tuple[int, list[str]]:
    [axis], [legend] = figure.figure.axes, figure.figure.legends
    return len(axis.containers), [text.get_text() for text in legend.get_texts()]


def test_pass_bars_are_those_of_the_replicates_that_have_been_evaluated():
    found = drawn(pass_bars=True)
    assert "over 10 evaluation passes" in found.caption and "over 2 replicates" in found.caption
    assert found.table["passes"].tolist() == [10, 10]
    assert bars_and_legend(found) == (
        1,
        ["Bayesian", "dense network", "± std over replicates", "final network, ± std over evaluation passes"],
    )


def test_pass_bars_are_drawn_about_the_final_network_that_was_evaluated():
    [axis] = drawn(pass_bars=True).figure.axes
    [segments] = axis.containers[0].lines[2]
    assert [y for segment in segments.get_segments() for _, y in segment] == pytest.approx([84, 86, 84, 88])


def test_whether_runs_have_been_evaluated_shows_in_no_figure_that_does_not_ask_for_it():
    found = drawn()
    assert "passes" not in found.caption and not [name for name in found.table if "passes" in name]
    assert bars_and_legend(found) == (0, ["Bayesian", "dense network", "± std over replicates"])


def drawn_with(selection: Selection = PEAK, against: str | None = None) -> Drawing:
    """Two methods and two replicates, with the accuracies of all epochs."""
    rows = [
        (method, replicate, level, 1.0 - 0.2 * level, peak, peak - 0.1, peak - 0.05)
        for method, shift in (("deterministic", 0.0), ("Bayesian", 0.02))
        for level in (0, 1)
        for replicate, peak in ((1, 0.90 + shift), (2, 0.80 + 1.5 * shift))
    ]
    names = ["method", "replicate", "level", "density", "peak_accuracy", "final_accuracy", "chosen_accuracy"]
    table = pd.DataFrame(rows, columns=names).astype({"level": "Int64"}).assign(passes=1).astype({"passes": "Int64"})
    table.insert(0, "panel", "LeNet")
    with look():
        runs = SuiteRuns(table, {}, []).shown(selection, against)
        return make(runs, styles_of(["deterministic", "Bayesian"]), "Title")


def test_the_accuracies_of_all_epochs_stand_side_by_side():
    found = drawn_with().table.set_index(["method", "level"]).loc[("deterministic", 1)]
    assert found["test accuracy (%)"] == pytest.approx(85.0)
    assert found["test accuracy (%) at the end"] == pytest.approx(75.0)
    assert found["test accuracy (%) at the best validation accuracy"] == pytest.approx(80.0)


@pytest.mark.parametrize(
    "selection, shown, words",
    [
        (PEAK, 85.0, "at the epoch of the best test accuracy"),
        (LAST, 75.0, "at the end of training"),
        (VALIDATION, 80.0, "at the epoch of the best validation accuracy"),
    ],
)
def test_a_figure_can_be_drawn_by_any_of_them_and_says_by_which(selection, shown, words):
    found = drawn_with(selection)
    assert found.table["test accuracy (%)"].iloc[0] == pytest.approx(shown)
    assert found.caption.startswith(f"Test accuracy {words}, over")
    [axis] = found.figure.axes
    assert any(line.get_ydata()[0] == pytest.approx(shown) for line in axis.get_lines() if len(line.get_ydata()) == 2)


def test_differences_from_the_first_method_are_paired_by_replicate():
    found = drawn_with().table.set_index(["method", "level"])
    columns = [
        f"test accuracy: {words}"
        for words in (
            "difference from the panel's first method",
            "95 % interval of the difference from",
            "95 % interval of the difference to",
        )
    ]
    assert found.loc["deterministic", columns].isna().all(axis=None)
    reach = stats.t.ppf(0.975, 1) * 0.5  # the standard error of two and three points
    assert found.loc[("Bayesian", 1), columns].tolist() == pytest.approx([2.5, 2.5 - reach, 2.5 + reach])
    assert "paired by replicate" in drawn_with().caption


def test_differences_from_any_other_method_are_the_same_with_the_other_sign():
    first = drawn_with().table.set_index(["method", "level"])
    other = drawn_with(against="Bayesian").table.set_index(["method", "level"])
    assert other.loc["Bayesian", "test accuracy: difference from Bayesian"].isna().all()
    found = other.loc["deterministic", "test accuracy: difference from Bayesian"]
    assert found.tolist() == pytest.approx(
        (-first.loc["Bayesian", "test accuracy: difference from the panel's first method"]).tolist()
    )


def test_a_method_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UserError) as refused:
        drawn_with(against="Bayesain")
    expected = "--against=Bayesain: did you mean 'Bayesian'? valid values are 'deterministic', 'Bayesian'"
    assert str(refused.value) == expected


def test_the_floor_of_a_calibration_error_is_drawn_with_its_interval():
    names = ["peak_mace", "final_mace", "final_mace_floor", "final_mace_low", "final_mace_high"]
    table = pd.DataFrame([(0.05, 0.05, 0.02, 0.03, 0.08)] * 2, columns=names)
    table = table.assign(method="Bayesian", replicate=1, level=[0, 1], density=[1.0, 0.8], passes=1)
    table = table.astype({"level": "Int64", "passes": "Int64"})
    table.insert(0, "panel", "LeNet")
    with look():
        found = make(SuiteRuns(table, {}, []), styles_of(["Bayesian"]), "Title", measures=("mace",))
    [axis], [legend] = found.figure.axes, found.figure.legends
    assert any(set(line.get_ydata()) == {0.02} for line in axis.get_lines())
    [bars] = axis.collections
    assert [[end for _, end in segment] for segment in bars.get_segments()] == [[0.03, 0.08]] * 2
    assert {"if perfectly calibrated", "95 % interval over test images"} < {
        text.get_text() for text in legend.get_texts()
    }
    assert "perfectly calibrated predictions" in found.caption
    assert found.table["MACE: if perfectly calibrated"].tolist() == [0.02, 0.02]
