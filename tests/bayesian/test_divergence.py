"""The closed form against torch.distributions and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from bayesian.divergence import divergence_from_prior

WEIGHTS = st.lists(st.tuples(st.floats(-30, 30), st.floats(-12, 4)), min_size=1, max_size=20)


PRIOR_STDS = st.sampled_from([1e-3, 0.05, 1.0, 2.5, 1e3])


def divergence(mean, log_std, prior_std=1.0):
    return divergence_from_prior(mean, log_std, log_std.exp(), prior_std)


def reference(mean, log_std, prior_std):
    """KL and its gradients by torch.distributions and autograd."""
    mean, log_std = mean.clone().requires_grad_(), log_std.clone().requires_grad_()
    prior = Normal(torch.zeros((), dtype=mean.dtype), torch.tensor(prior_std, dtype=mean.dtype))
    value = kl_divergence(Normal(mean, log_std.exp()), prior).sum()
    return (value.detach(), *torch.autograd.grad(value, (mean, log_std)))


def two_vectors(weights):
    return torch.tensor(weights, dtype=torch.float64).T.clone()


@given(WEIGHTS, PRIOR_STDS)
def test_value_and_gradients_are_those_of_torch_distributions(weights, prior_std):
    mean, log_std = two_vectors(weights)
    both = divergence(mean, log_std, prior_std), reference(mean, log_std, prior_std)
    for found, expected in zip(*both, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=50)
@given(WEIGHTS, PRIOR_STDS, st.data())
def test_pruned_weights_add_exactly_nothing_and_get_exactly_no_gradient(weights, prior_std, data):
    mean, log_std = two_vectors(weights)
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights))))
    found = divergence(mean.where(kept, 0.0), log_std.where(kept, -math.inf), prior_std)
    of_kept = divergence(mean[kept], log_std[kept], prior_std)
    torch.testing.assert_close(found.value, of_kept.value, rtol=1e-12, atol=1e-12)
    assert found.mean_gradient[kept].equal(of_kept.mean_gradient)
    assert found.log_std_gradient[kept].equal(of_kept.log_std_gradient)
    assert not found.mean_gradient[~kept].any()
    assert not found.log_std_gradient[~kept].any()


def test_everything_pruned_is_zero():
    found = divergence(torch.zeros(2, 3), torch.full((2, 3), -math.inf))
    assert [part.abs().sum().item() for part in found] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("prior_std", [0.25, 1.0, 4.0])
def test_the_prior_itself_is_at_distance_zero_and_has_no_gradient(prior_std):
    found = divergence(torch.zeros(5), torch.full((5,), prior_std).log(), prior_std)
    assert [part.abs().sum().item() for part in found] == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)


def test_a_known_value():
    found = divergence(torch.tensor([2.0]), torch.tensor([0.5]).log())
    torch.testing.assert_close(found.value, torch.tensor((0.25 + 4 - 1) / 2 + math.log(2)))


@pytest.mark.parametrize("log_std", [-1e4, -200.0])
def test_a_std_too_small_for_float32_is_not_taken_for_a_pruned_weight(log_std):
    found = divergence(torch.tensor([1.0]), torch.tensor([log_std]))
    assert found.value == -log_std
    assert found.mean_gradient.item() == 1.0
    assert found.log_std_gradient.item() == -1.0
