"""The noise behind samples of the weights: its distribution, and what is independent of what."""

from __future__ import annotations

import math

import pytest
import torch

from bayesian.estimators import ESTIMATORS
from bayesian.noise import NoiseRequest
from foundations.randomness import RandomStreams


def request(samples: int, size: int, replicate: int = 1) -> NoiseRequest:
    return NoiseRequest(samples, size, RandomStreams(replicate), torch.device("cpu"))


def drawn(estimator, iteration, *, samples, size, source=None):
    """Return an iteration's noise, (samples, size)."""
    source = source or ESTIMATORS.get(estimator).noise(request(samples, size))
    return torch.stack(list(source(iteration, torch.Generator().manual_seed(iteration))))


@pytest.mark.parametrize("estimator", ["weights", "antithetic", "recycled"])
def test_the_noise_is_standard_normal(estimator):
    noise = drawn(estimator, 3, samples=20, size=5000)
    assert noise.shape == (20, 5000)
    assert abs(noise.mean()) < 4 / math.sqrt(noise.numel() / 2)
    assert abs(noise.square().mean() - 1) < 4 * math.sqrt(4 / noise.numel())
    assert abs(noise.pow(4).mean() - 3) < 4 * math.sqrt(2 * 96 / noise.numel())


@pytest.mark.parametrize("estimator", ["weights", "recycled"])
def test_the_samples_of_a_batch_share_no_number_and_are_uncorrelated(estimator):
    noise = drawn(estimator, 0, samples=4, size=50_000)
    assert len(noise.unique()) > 0.99 * noise.numel()  # equal numbers are chance: there are not so many floats
    products = noise @ noise.T / noise.shape[1]
    assert (products - products.diag().diag()).abs().max() < 4.5 / math.sqrt(noise.shape[1])


def test_antithetic_noise_comes_in_bit_exact_pairs_that_differ_from_each_other():
    noise = drawn("antithetic", 0, samples=4, size=100)
    assert noise[0].equal(-noise[1]) and noise[2].equal(-noise[3])
    assert not noise[0].allclose(noise[2]) and not noise[0].allclose(noise[3])


@pytest.mark.parametrize("size", [100, 70_000])
def test_recycled_noise_of_an_iteration_is_the_same_whatever_was_drawn_before(size):
    source = ESTIMATORS.get("recycled").noise(request(3, size))
    for iteration in range(8):
        in_a_row = drawn("recycled", iteration, samples=3, size=size, source=source)
        again = drawn("recycled", iteration, samples=3, size=size, source=source)
        resumed = drawn("recycled", iteration, samples=3, size=size)
        assert in_a_row.equal(again) and in_a_row.equal(resumed)


def test_recycled_noise_replaces_one_vector_in_each_iteration_and_puts_the_rest_elsewhere():
    source = ESTIMATORS.get("recycled").noise(request(4, 70_000))
    noise = [drawn("recycled", iteration, samples=4, size=70_000, source=source) for iteration in range(9)]
    for lag, shared in ((1, 3 / 4), (2, 2 / 4), (3, 1 / 4), (4, 0)):
        for one, other in zip(noise, noise[lag:], strict=False):
            # Numbers that differ are equal by chance now and then: there are not so many floats.
            found = torch.isin(one, other).double().mean()
            assert abs(found - shared) < 0.05
            assert (one == other).double().mean() < 0.001


def test_recycled_noise_differs_between_replicates():
    one, other = (ESTIMATORS.get("recycled").noise(request(2, 1000, replicate)) for replicate in (1, 2))
    assert not next(one(0, torch.Generator())).equal(next(other(0, torch.Generator())))


def test_at_any_one_weight_recycled_noise_is_as_good_as_independent_over_the_iterations():
    source = ESTIMATORS.get("recycled").noise(request(2, 8))
    noise = torch.stack([drawn("recycled", i, samples=2, size=8, source=source) for i in range(1000)])  # (1000, 2, 8)
    serial = (noise[1:] * noise[:-1]).mean(dim=0) * math.sqrt(len(noise))
    assert serial.abs().max() < 4
    assert (noise.mean(dim=0) * math.sqrt(len(noise))).abs().max() < 4


def test_recycled_noise_copied_by_the_same_work_at_every_iteration_is_what_views_show():
    source = ESTIMATORS.get("recycled").noise(request(3, 100))
    for iteration in range(7):
        views = torch.stack(list(source(iteration, torch.Generator())))
        source._offset.fill_(source._request.streams.seed("recycled_offset", iteration) % source._around)
        assert torch.stack(list(source.copies())).equal(views)
