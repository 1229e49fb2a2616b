from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import minimize_scalar

from training.measures import cross_fitted_temperatures, fit_temperature, measure, scale_by_temperature
from training.measures.temperature import HIGHEST, LOWEST


def predictions(count: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions that are perfectly calibrated at a temperature of so much."""
    generator = torch.Generator().manual_seed(seed)
    true = (2 * torch.randn(count, 6, generator=generator)).double().log_softmax(dim=1)
    labels = torch.multinomial(true.exp(), 1, generator=generator)[:, 0]
    return (sharpness * true).log_softmax(dim=1), labels


@pytest.mark.parametrize("margin", [0.3, 2.0, 9.0])
@pytest.mark.parametrize("right", [6, 7, 9])
def test_the_temperature_of_two_classes_in_closed_form(margin, right):
    """Of ten predictions with logits +-m/2 so many are right: the likelihood is greatest at m/T = log(right/wrong)."""
    logits = torch.tensor([[margin / 2, -margin / 2]] * 10, dtype=torch.float64)
    labels = torch.tensor([0] * right + [1] * (10 - right))
    assert fit_temperature(logits, labels) == pytest.approx(margin / math.log(right / (10 - right)), rel=1e-10)


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 3.0])
def test_no_other_temperature_has_a_greater_likelihood(sharpness):
    log_probabilities, labels = predictions(800, sharpness)
    found = fit_temperature(log_probabilities, labels)

    def loss(log_temperature: float) -> float:
        return measure(scale_by_temperature(log_probabilities, math.exp(log_temperature)), labels)["loss"]

    best = minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    assert found == pytest.approx(math.exp(best.x), rel=1e-5)
    assert found == pytest.approx(sharpness, rel=0.15)


def test_scaling_is_that_of_the_logits():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    scaled = scale_by_temperature(logits.log_softmax(dim=1), 1.7)
    torch.testing.assert_close(scaled, (logits / 1.7).log_softmax(dim=1))
    each = scale_by_temperature(logits, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    torch.testing.assert_close(each[3], (logits[3] / 4).log_softmax(dim=0))


def test_scaling_changes_no_prediction_and_repairs_the_calibration():
    log_probabilities, labels = predictions(3000, 3.0)
    scaled = scale_by_temperature(log_probabilities, fit_temperature(log_probabilities, labels))
    assert scaled.argmax(dim=1).equal(log_probabilities.argmax(dim=1))
    assert measure(scaled, labels)["ece"] < 0.03 < 0.1 < measure(log_probabilities, labels)["ece"]


def test_where_the_best_temperature_is_none_the_nearest_is_taken():
    sure = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64).log()
    assert fit_temperature(sure, torch.tensor([0, 1])) == LOWEST  # always right: the surer, the better
    assert fit_temperature(sure, torch.tensor([1, 0])) == HIGHEST
    assert fit_temperature(torch.tensor([[1.0, 0.0]]).log(), torch.tensor([1])) == HIGHEST
    assert fit_temperature(torch.empty(0, 3), torch.empty(0, dtype=torch.int64)) == 1.0


def test_a_probability_of_zero_on_a_wrong_class_does_no_harm():
    log_probabilities, labels = predictions(200, 2.0)
    impossible = torch.cat([log_probabilities, torch.full((200, 1), -math.inf)], dim=1)
    assert fit_temperature(impossible, labels) == pytest.approx(fit_temperature(log_probabilities, labels), rel=1e-12)
    scaled = scale_by_temperature(impossible, 2.0)
    assert scaled[:, -1].exp().max() == 0
    torch.testing.assert_close(scaled[:, :-1], scale_by_temperature(log_probabilities, 2.0))


def test_every_example_gets_the_temperature_of_the_half_that_it_is_not_in():
    log_probabilities, labels = predictions(301, 2.0)
    found = cross_fitted_temperatures(log_probabilities, labels)
    first, second = (found == value for value in found.unique())
    assert sorted([int(first.sum()), int(second.sum())]) == [150, 151]
    for half, other in ((first, second), (second, first)):
        expected = fit_temperature(log_probabilities[other], labels[other])
        assert float(found[half][0]) == pytest.approx(expected, rel=1e-9)


def test_the_halves_are_the_same_whatever_is_predicted():
    one, other = (cross_fitted_temperatures(*predictions(300, 2.0, seed)) for seed in (0, 1))
    assert (one == one[0]).equal(other == other[0])
