"""Curves of measures: what is drawn beside them, and what the caption says of it."""

from __future__ import annotations

import math

import pandas as pd

from open_lth.figures.accuracy import make
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import look
from open_lth.suites.styles import styles_of
from open_lth.suites.suite_runs import SuiteRuns

COLUMNS = ["method", "replicate", "level", "density", "peak_accuracy", "final_accuracy_std", "passes"]
PARTLY_EVALUATED = [
    ("Bayesian", 1, 0, 1.0, 0.90, 0.01, 10),
    ("Bayesian", 1, 1, 0.8, 0.91, 0.02, 10),
    ("Bayesian", 2, 0, 1.0, 0.92, math.nan, 1),
    ("Bayesian", 2, 1, 0.8, 0.93, math.nan, 1),
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
        1, ["Bayesian", "dense network", "± std over replicates", "± std over evaluation passes"],
    )  # fmt: skip


def test_whether_runs_have_been_evaluated_shows_in_no_figure_that_does_not_ask_for_it():
    found = drawn()
    assert "passes" not in found.caption and not [name for name in found.table if "passes" in name]
    assert bars_and_legend(found) == (0, ["Bayesian", "dense network", "± std over replicates"])
