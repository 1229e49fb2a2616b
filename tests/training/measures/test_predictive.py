"""Measures against calculations by hand and in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.measures import mean_absolute_calibration_error, measure, reliability

# Confidences 0.7, 0.6, 0.9 and 0.65; right, wrong, right, wrong.
PROBABILITIES = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9], [0.15, 0.65, 0.2]]
LABELS = [0, 1, 2, 0]


def measures(probabilities: list[list[float]], labels: list[int]) -> dict[str, float]:
    return measure(torch.tensor(probabilities, dtype=torch.float64).log(), torch.tensor(labels))


def test_loss_accuracy_and_brier_score_by_hand():
    found = measures(PROBABILITIES, LABELS)
    assert found["loss"] == pytest.approx(-(math.log(0.7) + math.log(0.3) + math.log(0.9) + math.log(0.15)) / 4)
    assert found["accuracy"] == 0.5
    assert found["examples"] == 4.0
    rows = (0.09 + 0.04 + 0.01, 0.36 + 0.49 + 0.01, 0.0025 + 0.0025 + 0.01, 0.85**2 + 0.65**2 + 0.04)
    assert found["brier"] == pytest.approx(sum(rows) / 4)


def test_calibration_errors_by_hand():
    found = measures(PROBABILITIES, LABELS)
    # Bins (0.5, 0.6]: one wrong; (0.6, 0.7]: one right at 0.7 and one wrong at 0.65; (0.8, 0.9]: one right.
    gaps = [(1, 0.6), (2, abs((1 - 0.7) + (0 - 0.65))), (1, 0.1)]
    assert found["ece"] == pytest.approx(sum(gap for _, gap in gaps) / 4)
    assert found["mace"] == pytest.approx(sum(gap / size for size, gap in gaps) / 10)


def test_a_reliability_diagram_by_hand():
    bins = reliability(torch.tensor(PROBABILITIES, dtype=torch.float64).log(), torch.tensor(LABELS))
    assert bins["examples"] == [0, 0, 0, 0, 0, 1, 2, 0, 1, 0]
    assert bins["correct"] == [0, 0, 0, 0, 0, 0, 1, 0, 1, 0]
    assert bins["confidence"] == pytest.approx([0, 0, 0, 0, 0, 0.6, 0.7 + 0.65, 0, 0.9, 0])


def test_the_calibration_errors_are_those_of_the_reliability_diagram():
    generator = torch.Generator().manual_seed(0)
    log_probabilities = torch.randn(500, 7, generator=generator).double().mul(2).log_softmax(1)
    labels = torch.randint(7, (500,), generator=generator)
    bins = reliability(log_probabilities, labels)
    gaps = [abs(hit - trust) for hit, trust in zip(bins["correct"], bins["confidence"], strict=True)]
    found = measure(log_probabilities, labels)
    assert found["ece"] == pytest.approx(sum(gaps) / 500)
    shares = [gap / max(size, 1) for gap, size in zip(gaps, bins["examples"], strict=True)]
    assert found["mace"] == pytest.approx(sum(shares) / 10)


def test_the_pooled_calibration_error_by_hand():
    """All classes' probabilities are pooled, and a bin's centre stands for what is in it."""
    found = measures([[0.72, 0.28], [0.28, 0.72], [0.96, 0.04]], [0, 0, 0])
    # (0.7, 0.8] holds a hit and a miss, (0.2, 0.3] a miss and a hit, (0.9, 1] a hit, (0, 0.1] a miss.
    gaps = [abs(1 / 2 - 0.75), abs(1 / 2 - 0.25), abs(1 - 0.95), abs(0 - 0.05)]
    assert found["mace_pooled"] == pytest.approx(sum(gaps) / 10)


def test_a_confidence_on_the_edge_of_two_bins_belongs_to_the_lower_one():
    """Two confidences of 0.5, an edge without rounding error, one right and one wrong, share a bin with 0.45."""
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3], [0.45, 0.3, 0.25]], dtype=torch.float64)
    found = mean_absolute_calibration_error(probabilities, torch.tensor([0, 1, 0]))
    assert float(found) == pytest.approx(abs(0.5 - 0.5 + 0.55) / 3 / 10)


def test_confidences_that_come_true_have_no_calibration_error():
    """Of four predictions at 0.75 three are right."""
    found = measures([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    assert found["ece"] == found["mace"] == pytest.approx(0.0, abs=1e-12)


def test_one_overconfident_bin_weighs_as_much_as_a_crowded_one_in_mace_and_by_its_size_in_ece():
    found = measures([[0.75, 0.25]] * 4 + [[0.96, 0.04]], [0, 0, 0, 1, 1])
    assert found["ece"] == pytest.approx(0.96 / 5)
    assert found["mace"] == pytest.approx(0.96 / 10)


def test_the_log_of_zero_on_a_wrong_class_does_no_harm():
    found = measures([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    assert found == {
        "loss": 0.0,
        "accuracy": 1.0,
        "examples": 2.0,
        "brier": 0.0,
        "ece": 0.0,
        "mace": 0.0,
        "mace_pooled": pytest.approx(0.05 * 2 / 10),
    }


rows = st.lists(
    st.tuples(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.integers(0, 3)), min_size=1, max_size=30
)


@given(rows)
def test_every_measure_is_the_one_that_its_definition_gives(examples):
    table = [[value / sum(row) for value in row] for row, _ in examples]
    labels = [label for _, label in examples]
    found = measures(table, labels)
    # Through the log and back a probability moves by a rounding error, which may carry it over a bin's edge.
    table = [[math.exp(math.log(value)) for value in row] for row in table]
    near_edge = any(abs(value * 10 - round(value * 10)) < 1e-9 for row in table for value in row)

    count = len(table)
    tops = [(max(row), row.index(max(row)) == label) for row, label in zip(table, labels, strict=True)]
    pooled = [(value, j == label) for row, label in zip(table, labels, strict=True) for j, value in enumerate(row)]
    assert found["loss"] == pytest.approx(-sum(math.log(r[k]) for r, k in zip(table, labels, strict=True)) / count)
    assert found["accuracy"] == pytest.approx(sum(right for _, right in tops) / count)
    brier = sum((value - hit) ** 2 for value, hit in pooled) / count
    assert found["brier"] == pytest.approx(brier)
    if near_edge:
        return
    ece = mace = mace_pooled = 0.0
    for number in range(10):
        inside = [(c, right) for c, right in tops if number / 10 < c <= (number + 1) / 10]
        gap = abs(sum(right - c for c, right in inside))
        ece += gap / count
        mace += gap / len(inside) / 10 if inside else 0.0
        hits = [hit for value, hit in pooled if number / 10 < value <= (number + 1) / 10]
        mace_pooled += abs(sum(hits) / len(hits) - (number + 0.5) / 10) / 10 if hits else 0.0
    assert found["ece"] == pytest.approx(ece)
    assert found["mace"] == pytest.approx(mace)
    assert found["mace_pooled"] == pytest.approx(mace_pooled)


def test_ece_is_that_of_torchmetrics():
    from torchmetrics.functional.classification import multiclass_calibration_error

    log_probabilities = (3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))).log_softmax(dim=1)
    labels = torch.randint(10, (500,), generator=torch.Generator().manual_seed(1))
    theirs = multiclass_calibration_error(log_probabilities.double().exp(), labels, 10, n_bins=10, norm="l1")
    assert measure(log_probabilities, labels)["ece"] == pytest.approx(float(theirs), rel=1e-6)  # theirs is in float32
