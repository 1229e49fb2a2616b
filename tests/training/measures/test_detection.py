"""Out-of-distribution scores against their definitions, and their measures against two libraries and brute force."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_specificity_at_sensitivity,
)

from training.measures import detection_measures, uncertainty_scores

HALF = math.log(2)


def test_scores_by_hand():
    probabilities = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25]], dtype=torch.float64)
    scores = uncertainty_scores(probabilities.log())
    assert scores.keys() == {"max_probability", "entropy"}
    sure, *others = scores["max_probability"].tolist()
    assert others == pytest.approx([math.log(1 / 2), math.log(1 / 4)])
    assert -math.inf < sure < -1000
    third = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert scores["entropy"].tolist() == pytest.approx([0.0, HALF, third])


def test_mutual_information_is_what_samples_disagree_about():
    """Two samples, sure of different classes, share all of a bit; two that are both unsure share nothing."""
    samples = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]], dtype=torch.float64)  # (S, N, classes)
    of_samples = torch.special.entr(samples).sum(dim=2).mean(dim=0)
    scores = uncertainty_scores(samples.mean(dim=0).log(), of_samples)
    assert scores["mutual_information"].tolist() == pytest.approx([HALF, 0.0])


def test_mutual_information_is_the_mean_divergence_from_the_average_and_never_negative():
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(5, 40, 7, generator=generator).double().softmax(dim=2)
    samples[:, :3] = samples[:1, :3]  # nothing to disagree about
    average = samples.mean(dim=0)
    divergences = (samples * (samples / average).log()).sum(dim=2).mean(dim=0)
    entropies = torch.special.entr(samples).sum(dim=2).mean(dim=0)
    found = uncertainty_scores(average.log(), entropies)["mutual_information"]
    torch.testing.assert_close(found, divergences, rtol=1e-9, atol=1e-12)
    assert found.min() >= 0


def test_the_greatest_probability_ranks_and_tells_apart_even_what_rounds_to_one():
    logits = 4 * torch.randn(500, 5, generator=torch.Generator().manual_seed(0)).double()
    found = uncertainty_scores(logits.log_softmax(dim=1))["max_probability"]
    assert found.argsort(descending=True).equal(logits.softmax(dim=1).amax(dim=1).argsort())
    sure = torch.tensor([[30.0, 0.0], [40.0, 0.0], [0.0, 50.0]])
    assert sure.softmax(dim=1).amax(dim=1).tolist() == [1.0, 1.0, 1.0]
    assert uncertainty_scores(sure.log_softmax(dim=1))["max_probability"].tolist() == pytest.approx([-30, -40, -50])


def draws(inside: int, outside: int, decimals: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(inside + outside)
    found = torch.randn(inside, generator=generator).double(), torch.randn(outside, generator=generator).double() + 0.8
    return tuple(values.mul(10**decimals).round().div(10**decimals) for values in found)


@pytest.mark.parametrize("decimals", [12, 1, 0], ids=["no ties", "ties", "mostly ties"])
@pytest.mark.parametrize("inside, outside", [(1000, 360), (50, 400), (7, 3)])
def test_measures_are_those_of_scikit_learn_and_torchmetrics(inside, outside, decimals):
    scores = draws(inside, outside, decimals)
    found = detection_measures(*scores)
    together, is_outside = torch.cat(scores), torch.tensor([0] * inside + [1] * outside)
    assert found["auroc"] == pytest.approx(roc_auc_score(is_outside, together), abs=1e-6)
    assert found["aupr"] == pytest.approx(average_precision_score(is_outside, together), abs=1e-6)
    unit = together.sub(together.min()).div(together.max() - together.min())  # torchmetrics takes probabilities
    assert found["auroc"] == pytest.approx(float(binary_auroc(unit, is_outside)), abs=1e-6)
    assert found["aupr"] == pytest.approx(float(binary_average_precision(unit, is_outside)), abs=1e-6)
    specificity, _ = binary_specificity_at_sensitivity(unit, is_outside, min_sensitivity=0.95)
    assert found["fpr95"] == pytest.approx(1 - float(specificity), abs=1e-6)


scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25)


@given(scores, scores)
def test_measures_are_what_their_definitions_give(inside, outside):
    found = detection_measures(torch.tensor(inside).double(), torch.tensor(outside).double())
    pairs = [(a > b) + 0.5 * (a == b) for a in outside for b in inside]
    assert found["auroc"] == pytest.approx(sum(pairs) / len(pairs))
    rates = []
    for threshold in {*inside, *outside}:
        true = sum(score >= threshold for score in outside) / len(outside)
        rates.append((true, sum(score >= threshold for score in inside) / len(inside)))
    assert found["fpr95"] == pytest.approx(min(false for true, false in rates if true >= 0.95))


def test_a_score_that_tells_all_apart_is_perfect_and_one_that_tells_nothing_is_chance():
    perfect = detection_measures(torch.arange(50.0), torch.arange(50.0) + 50)
    assert perfect == {"auroc": 1.0, "aupr": 1.0, "fpr95": 0.0}
    assert detection_measures(torch.zeros(30), torch.zeros(10)) == {"auroc": 0.5, "aupr": 0.25, "fpr95": 1.0}
