from __future__ import annotations

import pytest
from scipy import stats

from foundations.errors import UserError
from open_lth.figures import ood
from open_lth.figures.layout import look
from open_lth.suites.styles import styles_of
from tests.open_lth.figures.evaluated import runs_of, spread


def told(by_confidence: float, by_samples: float | None = None) -> dict[str, object]:
    """What was kept of a run that tells other images with this AUROC, AUPR and FPR."""
    scores = {"max_probability": by_confidence} | ({} if by_samples is None else {"mutual_information": by_samples})
    measured = {score: {name: spread(value) for name in ("auroc", "aupr", "fpr95")} for score, value in scores.items()}
    return {"ood": {"svhn": measured, "noised": measured}}


@pytest.fixture
def runs(tmp_path):
    return runs_of(
        tmp_path,
        ("deterministic", 1, told(0.6)),
        ("deterministic", 2, told(0.8)),
        ("Bayesian", 1, told(0.7, 0.9)),
    )


def test_numbers_are_means_over_replicates_by_images_and_score(runs):
    found = ood.detections(ood.told_apart(runs.table)).set_index(["ood", "method", "level", "score"])
    row = found.loc[("svhn", "deterministic", 1, "max_probability")]
    assert (row["auroc"], row["aupr"], row["fpr95"]) == pytest.approx((0.7, 0.7, 0.7))
    assert row["auroc_replicates"] == pytest.approx(0.2 / 2**0.5)
    assert (row["weights"], row["replicates"]) == (50.0, 2)
    assert found.loc[("noised", "Bayesian", 0, "mutual_information"), "auroc"] == 0.9
    assert ("svhn", "deterministic", 0, "mutual_information") not in found.index


def test_the_table_has_differences_paired_by_replicate_for_the_same_images_and_score(tmp_path):
    runs = runs_of(
        tmp_path,
        ("deterministic", 1, told(0.6)),
        ("deterministic", 2, told(0.8)),
        ("Bayesian", 1, told(0.7, 0.9)),
        ("Bayesian", 2, told(0.7, 0.9)),
        ("other", 1, told(0.6, 0.8)),
    )
    with look():
        drawn = ood.make(runs, styles_of(["deterministic", "Bayesian", "other"]), "Title")
    found = drawn.table.set_index(["method", "told by", "out of distribution", "level"]).sort_index()
    heading = "AUROC: difference from the panel's first method"
    assert found.loc[("Bayesian", "max_probability", "svhn", 1), heading] == pytest.approx(0.0)
    reach = stats.t.ppf(0.975, 1) * 0.1  # the standard error of 0.1 and -0.1
    ends = [f"AUROC: 95 % interval of the difference {end}" for end in ("from", "to")]
    assert found.loc[("Bayesian", "max_probability", "noised", 0), ends].tolist() == pytest.approx([-reach, reach])
    assert found.loc[("other", "mutual_information"), heading].isna().all()  # of which the first method has none
    assert "paired by replicate" in drawn.caption
    against = ood.compared(ood.detections(measured := ood.told_apart(runs.table)), measured, "Bayesian")
    by_samples = against[(against["method"] == "other") & (against["score"] == "mutual_information")]
    assert by_samples["AUROC: difference from Bayesian"].tolist() == pytest.approx([-0.1] * 4)


def test_it_is_drawn_with_a_row_for_each_kind_of_images_and_both_scores(runs):
    with look():
        drawn = ood.make(runs, styles_of(["deterministic", "Bayesian"]), "Title")
    assert len(drawn.figure.axes) == 2
    without_markers = [
        line
        for line in drawn.figure.axes[0].get_lines()
        if line.get_linestyle() == "-." and line.get_marker() == "None"
    ]
    assert [line.get_ydata().tolist() for line in without_markers] == [[0.9, 0.9]]
    [legend] = drawn.figure.legends
    assert "by mutual information" in {text.get_text() for text in legend.get_texts()}


def test_runs_that_were_not_measured_are_answered_with_what_measures_them(tmp_path):
    with pytest.raises(UserError, match=r"`evaluate --ood=NAME,\.\.\.` does it"):
        ood.told_apart(runs_of(tmp_path, ("deterministic", 1, {})).table)
