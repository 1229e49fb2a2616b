from __future__ import annotations

import math

import pytest
import torch

from training.measures import bootstrap_intervals, calibration_floors, measure


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at(confidence: float, count: int) -> torch.Tensor:
    return torch.tensor([[confidence, 1 - confidence]] * count, dtype=torch.float64)


def mean_deviation(n: int, p: float) -> float:
    """The mean absolute deviation of a binomial variable, in closed form (De Moivre)."""
    m = math.floor(n * p) + 1
    return 2 * m * math.comb(n, m) * p**m * (1 - p) ** (n - m + 1)


@pytest.mark.parametrize("count, confidence", [(1, 0.75), (2, 0.9), (7, 0.65), (40, 0.95)])
def test_the_floor_of_one_bin_is_a_binomial_variables_mean_deviation(count, confidence):
    found = calibration_floors(at(confidence, count), generator(), draws=20_000)
    expected = mean_deviation(count, confidence) / count
    assert found["ece"] == pytest.approx(expected, rel=0.03)
    assert found["mace"] == pytest.approx(expected / 10, rel=0.03)


def test_every_bin_adds_its_own_floor():
    probabilities = torch.cat([at(0.75, 5), at(0.95, 20)])
    found = calibration_floors(probabilities, generator(), draws=20_000)
    deviations = mean_deviation(5, 0.75), mean_deviation(20, 0.95)
    assert found["ece"] == pytest.approx(sum(deviations) / 25, rel=0.03)
    assert found["mace"] == pytest.approx((deviations[0] / 5 + deviations[1] / 20) / 10, rel=0.03)


def test_certainty_that_comes_true_has_a_floor_of_zero():
    assert calibration_floors(at(1.0, 9), generator()) == {"ece": 0.0, "mace": 0.0}


def predictions(count: int, sharpness: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Log probabilities, calibrated if the sharpness is 1, and labels."""
    true = (3 * torch.randn(count, 10, generator=generator(seed))).double().log_softmax(dim=1)
    labels = torch.multinomial(true.exp(), 1, generator=generator(seed))[:, 0]
    return (sharpness * true).log_softmax(dim=1), labels


def test_floors_are_what_calibrated_predictions_measure_on_average():
    measured, floors = {"ece": [], "mace": []}, {"ece": [], "mace": []}
    for seed in range(80):
        log_probabilities, labels = predictions(1000, 1.0, seed)
        found = measure(log_probabilities, labels)
        floor = calibration_floors(log_probabilities.exp(), generator(seed), draws=50)
        for name in measured:
            measured[name].append(found[name])
            floors[name].append(floor[name])
    for name, values in measured.items():
        assert sum(floors[name]) == pytest.approx(sum(values), rel=0.1)
        assert sum(floors[name]) / 80 > 0.02


@pytest.mark.parametrize("sharpness", [1.0, 2.0])
def test_intervals_contain_what_is_measured_on_average(sharpness):
    """Of a hundred intervals some ninety-five do."""
    drawn = [predictions(400, sharpness, seed) for seed in range(100)]
    measured = [measure(*one) for one in drawn]
    intervals = [bootstrap_intervals(one.exp(), labels, generator(), draws=200) for one, labels in drawn]
    mean = sum(found["ece"] for found in measured) / 100
    assert 88 <= sum(low <= mean <= high for low, high in (found["ece"] for found in intervals)) <= 100
    for found, interval in zip(measured, intervals, strict=True):
        for name, (low, high) in interval.items():
            assert 0 <= low < found[name] < high


def test_an_interval_shrinks_with_the_square_root_of_the_examples():
    widths = []
    for count in (500, 8000):
        log_probabilities, labels = predictions(count, 2.0, 0)
        low, high = bootstrap_intervals(log_probabilities.exp(), labels, generator())["ece"]
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.25)


def test_the_same_generator_gives_the_same_numbers():
    log_probabilities, labels = predictions(300, 2.0, 0)
    first, again, other = (bootstrap_intervals(log_probabilities.exp(), labels, generator(s)) for s in (0, 0, 1))
    assert first == again != other
