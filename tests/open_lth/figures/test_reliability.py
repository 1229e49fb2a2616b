"""Reliability bins, summed over replicates, against a direct recount."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from foundations.errors import UserError
from open_lth.figures.reliability import DENSE, SPARSEST, draw_reliabilities, reliabilities
from open_lth.suites.styles import styles_of


def write(directory: Path, predictions: list[tuple[float, bool]], passes: int = 1) -> str:
    """Write the bins of predictions in all passes, given by confidence and whether they are right."""
    bins = {name: [0.0] * 10 for name in ("examples", "confidence", "correct")}
    for confidence, is_right in predictions:
        index = int(10 * confidence)
        bins["examples"][index] += 1
        bins["confidence"][index] += confidence
        bins["correct"][index] += is_right
    directory.mkdir(parents=True)
    (directory / "evaluation.json").write_text(json.dumps({"reliability": bins, "passes": passes}))
    return str(directory)


def row(directory: str, level: int, replicate: int = 1, method: str = "IMP") -> dict[str, object]:
    return {
        "panel": "LeNet",
        "method": method,
        "level": level,
        "replicate": replicate,
        "density": 0.8**level,
        "directory": directory,
    }


def test_bins_hold_the_predictions_of_all_replicates(tmp_path):
    first, second = [(0.95, True), (0.91, False), (0.55, True)], [(0.97, True)] * 3
    rows = [
        row(write(tmp_path / str(number), predictions), 0, number)
        for number, predictions in enumerate((first, second), 1)
    ]
    found = reliabilities(pd.DataFrame(rows))
    dense = found[found["ticket"] == DENSE].set_index("bin")
    in_last = [one for one in first + second if one[0] >= 0.9]
    assert dense.loc["0.9-1.0", "predictions"] == len(in_last) == 5
    assert dense.loc["0.9-1.0", "confidence"] == pytest.approx(sum(confidence for confidence, _ in in_last) / 5)
    assert dense.loc["0.9-1.0", "accuracy"] == pytest.approx(sum(is_right for _, is_right in in_last) / 5)
    assert dense.loc["0.5-0.6", ["predictions", "confidence", "accuracy"]].tolist() == [1, 0.55, 1.0]
    assert dense.loc["0.0-0.1", "predictions"] == 0 and pd.isna(dense.loc["0.0-0.1", "accuracy"])


def test_predictions_are_counted_by_test_images_however_many_passes_there_are(tmp_path):
    predictions = [(0.95, True)] * 9 + [(0.91, False)] * 3
    once, thrice = (row(write(tmp_path / str(passes), predictions * passes, passes), 0) for passes in (1, 3))
    found, repeated = (reliabilities(pd.DataFrame([one])).set_index("bin") for one in (once, thrice))
    pd.testing.assert_frame_equal(found, repeated)
    assert found.loc["0.9-1.0", "predictions"] == 12
    unsteady = row(write(tmp_path / "unsteady", [*predictions, (0.55, True)], 2), 0)
    both = reliabilities(pd.DataFrame([once, unsteady])).set_index("bin")
    assert both["predictions"].loc[["0.5-0.6", "0.9-1.0"]].tolist() == [0.5, 12 + 6]


def test_bins_that_are_full_only_because_of_repeated_passes_are_not_drawn(tmp_path):
    found = reliabilities(pd.DataFrame([row(write(tmp_path / "run", [(0.95, True)] * 90, 10), 0)]))
    [axis] = draw_reliabilities(found, styles_of(["IMP"])).axes
    assert len(axis.lines) == 1  # the diagonal


def test_the_sparsest_tickets_are_those_that_all_methods_have_reached(tmp_path):
    rows = [
        row(write(tmp_path / method / str(level), [(0.95, True)] * (level + 1)), level, method=method)
        for method, levels in (("IMP", 4), ("LRR", 3))
        for level in range(levels)
    ]
    found = reliabilities(pd.DataFrame(rows))
    sparsest = found[(found["ticket"] == SPARSEST) & (found["bin"] == "0.9-1.0")].set_index("method")
    assert sparsest["predictions"].to_dict() == {"IMP": 3, "LRR": 3}
    assert sparsest["weights"].to_dict() == pytest.approx({"IMP": 64.0, "LRR": 64.0})


def test_bins_of_few_predictions_are_in_the_table_but_not_in_the_figure(tmp_path):
    rows = [row(write(tmp_path / "run", [(0.95, True)] * 10 + [(0.55, True)] * 9), 0)]
    found = reliabilities(pd.DataFrame(rows))
    assert (found["predictions"] == 9).sum() == 1
    [axis] = draw_reliabilities(found, styles_of(["IMP"])).axes
    diagonal, curve = axis.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert [list(curve.get_xdata()), list(curve.get_ydata())] == [[pytest.approx(0.95)], [1.0]]


def test_before_the_first_pruning_there_is_no_sparsest_ticket(tmp_path):
    rows = [row(write(tmp_path / str(level), [(0.95, True)] * 20), level) for level in range(2)]
    barely_begun = {**row(write(tmp_path / "other", [(0.95, True)] * 20), 0), "panel": "VGG"}
    assert set(reliabilities(pd.DataFrame(rows[:1]))["ticket"]) == {DENSE}
    figure = draw_reliabilities(reliabilities(pd.DataFrame([*rows, barely_begun])), styles_of(["IMP"]))
    assert [axis.get_title() for axis in figure.axes] == [
        "LeNet\n100 % of weights remaining",
        "VGG\n100 % of weights remaining",
        "LeNet\n80 % of weights remaining",
        "VGG\nnot pruned yet",
    ]


def test_runs_that_have_not_been_evaluated_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match="no run has been evaluated; the command `evaluate`"):
        reliabilities(pd.DataFrame([row(str(tmp_path), 0)]))
