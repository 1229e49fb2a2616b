"""Training of one's own networks: attention and shared weights, against autograd over all samples at once."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call

from bayesian.adapter import variational_tensors
from bayesian.conversion import make_bayesian
from bayesian.divergence import divergence_by_weight
from bayesian.elbo import Elbo
from foundations.step import Step


class Attentive(nn.Module):
    """Attention, whose output layer's weight is that of the input layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.fc = nn.Linear(4, 4)
        self.fc.weight = self.embed.weight

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map rows (B, T, 4) to logits (B, 4)."""
        features = self.embed(rows)
        return self.fc(self.attention(features, features, features, need_weights=False)[0].mean(dim=1))


@pytest.fixture
def pair(make_hparams):
    torch.manual_seed(0)
    deterministic = Attentive().double()
    bayesian = copy.deepcopy(deterministic)
    make_bayesian(bayesian, make_hparams(init_std=0.5))
    return deterministic, bayesian


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(6, 3, 4, generator=generator, dtype=torch.float64)
    return rows, torch.randint(4, (6,), generator=generator)


def test_gradients_are_those_of_autograd_and_a_shared_weight_has_one_divergence(
    pair, batch, make_hparams, circumstances, watch
):
    deterministic, bayesian = pair
    rows, labels = batch
    hparams, draws = make_hparams(samples=3, kl_temperature=2.0), watch(bayesian)
    terms = Elbo(bayesian, hparams, circumstances).backward(rows, labels, Step(3, 10))
    found = {name: parameter.grad.clone() for name, parameter in bayesian.named_parameters()}
    bayesian.zero_grad()

    tensors = variational_tensors(bayesian)
    losses = []
    for noise in draws.noise():
        weights = {tensor.name: tensor.mean + tensor.log_std.exp() * noise[tensor.name] for tensor in tensors}
        logits = functional_call(deterministic, weights, (rows,))
        losses.append(nn.functional.cross_entropy(logits, labels))
    divergence = sum(divergence_by_weight(tensor.mean, tensor.log_std).sum() for tensor in tensors)
    loss = torch.stack(losses).mean() + 2.0 * divergence / circumstances.num_examples
    loss.backward()
    assert len(losses) == 3
    torch.testing.assert_close(terms["loss"].double(), loss.detach(), rtol=1e-6, atol=1e-6)
    assert {*found} == {name for name, _ in bayesian.named_parameters()}
    for name, parameter in bayesian.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-6, atol=1e-8, msg=name)


def test_samples_together_have_the_gradient_of_one_after_another(pair, batch, make_hparams, circumstances):
    _, bayesian = pair
    gradients = []
    for at_once in (1, 3):
        own = copy.deepcopy(bayesian)
        elbo = Elbo(own, make_hparams(samples=3), replace(circumstances, samples_at_once=at_once))
        elbo.backward(*batch, Step(3, 10))
        gradients.append({name: parameter.grad for name, parameter in own.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7, msg=name)
