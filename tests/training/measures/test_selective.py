from __future__ import annotations

import itertools

import pytest
import torch

from training.measures import area_under_risk_coverage_curve


def predictions(confidences: list[float], right: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions of the first of three classes."""
    rows = [[confidence, (1 - confidence) / 2, (1 - confidence) / 2] for confidence in confidences]
    return torch.tensor(rows, dtype=torch.float64).log(), torch.tensor([0 if one else 1 for one in right])


def area(confidences: list[float], right: list[int]) -> float:
    return float(area_under_risk_coverage_curve(*predictions(confidences, right)))


def test_the_area_by_hand():
    """In order of confidence: right, wrong, right, wrong, so risks 0, 1/2, 1/3, 2/4."""
    assert area([0.9, 0.5, 0.7, 0.8], [1, 0, 1, 0]) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)


def test_whoever_is_never_wrong_has_none_and_whoever_always_is_has_all():
    assert area([0.9, 0.5, 0.7], [1, 1, 1]) == 0.0
    assert area([0.9, 0.5, 0.7], [0, 0, 0]) == 1.0


def test_knowing_what_one_does_not_know_is_better():
    assert area([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0]) < area([0.9, 0.8, 0.7, 0.6], [0, 0, 1, 1])


def test_equal_confidences_have_the_mean_over_their_orders():
    confidences, right = [0.9, 0.7, 0.7, 0.7, 0.5, 0.5], [1, 0, 1, 0, 1, 0]
    areas = []
    for order in itertools.permutations(range(6)):
        shown = [confidences[i] for i in order]
        if shown == sorted(shown, reverse=True):
            wrong = [1 - right[i] for i in order]
            areas.append(sum(sum(wrong[:k]) / k for k in range(1, 7)) / 6)
    assert len(areas) == 12
    assert area(confidences, right) == pytest.approx(sum(areas) / 12)
    assert area(confidences[::-1], right[::-1]) == pytest.approx(sum(areas) / 12)
