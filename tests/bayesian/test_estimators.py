"""Every estimator against a gradient known without sampling, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from bayesian.adapter import convert, linear_outputs_sampled, variational_tensors, weights_in_place
from bayesian.elbo import Elbo
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import LIKELIHOODS
from foundations.errors import InvalidValue
from foundations.randomness import default_generator_seeded
from foundations.step import Step
from training.precision import Precision

STEPS = 400
IMAGES = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.4], [-0.7, 1.1, 0.2], [0.1, 0.2, 1.0]])
LABELS = torch.tensor([0, 1, 1, 0])


@pytest.fixture
def linear_network():
    """Two logits, linear in normally distributed weights: their difference is normally distributed, too."""
    model = nn.Sequential(nn.Linear(3, 2))
    convert(model, lambda fan_in: 0.01 * (3 * fan_in) ** -0.5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in variational_tensors(model):
            tensor.mean.normal_(0, 0.5, generator=generator)
            tensor.log_std.uniform_(-1.0, 0.0, generator=generator)
    return model


def exact_gradient(model):
    r"""Return the gradient of the expected negative log likelihood, without sampling.

    With :math:`d = w_1 x - w_0 x \sim N(m, v)` the loss is :math:`l(d) = \log(1 + e^{-s d})`, s = ±1 the label's sign.
    Then :math:`\partial E[l] / \partial m = E[l'(d)]` and :math:`\partial E[l] / \partial v = E[l''(d)] / 2` (Price's
    theorem), one-dimensional integrals that Gauss-Hermite quadrature gives to machine precision.
    """
    weight, bias = variational_tensors(model)
    inputs = torch.cat([IMAGES, torch.ones(len(IMAGES), 1)], dim=1).double()  # (B, 4), the bias last
    mean = torch.cat([weight.mean, bias.mean[:, None]], dim=1).detach().double()  # (2, 4)
    variance = torch.cat([weight.log_std, bias.log_std[:, None]], dim=1).detach().double().mul(2).exp()
    nodes, quadrature = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(80))
    quadrature = quadrature / quadrature.sum()
    m, v = inputs @ (mean[1] - mean[0]), inputs.square() @ (variance[0] + variance[1])  # (B,)
    sign = (2 * LABELS - 1).double()
    d = m[:, None] + v.sqrt()[:, None] * nodes  # (B, nodes)
    first = -sign * (torch.sigmoid(-sign[:, None] * d) @ quadrature)
    second = (torch.sigmoid(d) * torch.sigmoid(-d)) @ quadrature
    by_mean = first @ inputs / len(inputs)  # (4,), for the second logit
    by_variance = second @ inputs.square() / (2 * len(inputs))
    by_log_std = 2 * variance * by_variance
    return torch.cat([torch.stack([-by_mean, by_mean]).flatten(), by_log_std.flatten()])


def sampled_gradients(model, hparams, circumstances):
    """Return one gradient a step, (STEPS, 16), in the exact gradient's order."""
    elbo, found = Elbo(model, hparams, circumstances), []
    weight, bias = variational_tensors(model)
    for iteration in range(STEPS):
        model.zero_grad()
        elbo.backward(IMAGES, LABELS, Step(iteration, STEPS))
        parts = [(weight.mean, bias.mean), (weight.log_std, bias.log_std)]
        both = [torch.cat([w.grad, b.grad[:, None]], dim=1).flatten() for w, b in parts]
        found.append(torch.cat(both).double())
    return torch.stack(found)


@pytest.fixture
def gradients_of(linear_network, make_hparams, circumstances):
    def find(estimator):
        hparams = make_hparams(estimator=estimator, samples=2, kl_temperature=0.0)
        return sampled_gradients(linear_network, hparams, circumstances)

    return find


@pytest.mark.parametrize("estimator", ESTIMATORS.names())
def test_the_gradient_is_on_average_the_exact_one(linear_network, gradients_of, estimator):
    exact, gradients = exact_gradient(linear_network), gradients_of(estimator)
    standard_error = gradients.std(dim=0) / math.sqrt(STEPS)
    assert ((gradients.mean(dim=0) - exact).abs() / standard_error).max() < 4
    # The test has teeth: for most weights the gradient is known much better than to its sign.
    assert (exact.abs() / standard_error).median() > 8


def test_antithetic_draws_have_less_variance_than_as_many_independent_ones(gradients_of):
    means = slice(0, 8)
    independent, antithetic = (gradients_of(name)[:, means].var(dim=0) for name in ("weights", "antithetic"))
    assert (antithetic < independent).all()
    assert antithetic.sum() < 0.5 * independent.sum()


def test_local_reparameterization_has_less_variance_than_samples_of_the_weights(gradients_of):
    independent, local = (gradients_of(name).var(dim=0).sum() for name in ("weights", "local_reparameterization"))
    assert local < 0.8 * independent


def test_local_reparameterization_gives_every_example_noise_of_its_own(linear_network):
    tensors, generator = variational_tensors(linear_network), torch.Generator().manual_seed(0)
    alike = IMAGES[:1].repeat(1000, 1)
    with torch.no_grad(), linear_outputs_sampled(tensors, generator):
        outputs = linear_network(alike)  # (1000, 2)
    layer = linear_network[0]
    mean = IMAGES[0] @ layer._weight_mean.T + layer._bias_mean
    variance = IMAGES[0].square() @ (2 * layer._weight_log_std).exp().T + (2 * layer._bias_log_std).exp()
    standardised = (outputs - mean) / variance.sqrt()
    assert standardised.mean(0).abs().max() < 4 / math.sqrt(1000)
    assert (standardised.square().mean(0) - 1).abs().max() < 4 * math.sqrt(2 / 1000)
    assert abs((standardised[:, 0] * standardised[:, 1]).mean()) < 4 / math.sqrt(1000)


def test_with_local_reparameterization_convolutions_still_draw_their_weights_and_linear_layers_do_not_use_theirs(
    small_pair, small_batch, make_hparams, circumstances, watch
):
    found = {}
    for scale in (1.0, 1e6):
        _, bayesian = small_pair(torch.float32)
        draws = watch(bayesian)

        def scale_what_is_in_place(model, _, scale=scale):
            model.fc.weight.data.mul_(scale)

        bayesian.register_forward_pre_hook(scale_what_is_in_place)
        hparams = make_hparams(estimator="local_reparameterization", samples=3)
        found[scale] = Elbo(bayesian, hparams, circumstances).backward(*small_batch(dtype=torch.float32), Step(0, 1))
        assert len({draw["conv.weight"].sum().item() for draw in draws.samples}) == 3
    assert found[1.0]["loss"].equal(found[1e6]["loss"])


def test_after_local_reparameterization_the_layers_compute_as_before_even_when_the_block_raises(linear_network):
    tensors, forward = variational_tensors(linear_network), linear_network[0].forward
    weights = [tensor.mean.detach() for tensor in tensors]
    with pytest.raises(RuntimeError, match="stop"), linear_outputs_sampled(tensors, torch.Generator()):
        raise RuntimeError("stop")
    assert linear_network[0].forward == forward
    with weights_in_place(tensors, weights):
        assert linear_network(IMAGES).equal(torch.nn.functional.linear(IMAGES, *weights))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_with_local_reparameterization_a_unit_that_is_wholly_pruned_has_a_finite_gradient(
    linear_network, make_hparams, circumstances, likelihood
):
    layer = linear_network[0]
    with torch.no_grad():
        for mean, log_std in ((layer._weight_mean, layer._weight_log_std), (layer._bias_mean, layer._bias_log_std)):
            mean[0] = 0.0
            log_std[0] = -math.inf
    hparams = make_hparams(estimator="local_reparameterization", likelihood=likelihood)
    terms = Elbo(linear_network, hparams, circumstances).backward(IMAGES, LABELS, Step(0, 1))
    assert all(term.isfinite() for term in terms.values())
    assert all(parameter.grad.isfinite().all() for parameter in linear_network.parameters())
    assert not layer._weight_log_std.grad[0].any()
    assert layer._weight_log_std.grad[1].all()


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])  # a bias's variance hides the weights'
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_in_half_precision_the_sampled_outputs_keep_their_small_spread(precision, bias):
    layer = nn.Sequential(nn.Linear(100, 50, bias=bias))
    with default_generator_seeded(0):
        nn.init.ones_(layer[0].weight)
        convert(layer, lambda fan_in: 0.01 * (3 * fan_in) ** -0.5)
    tensors, inputs = variational_tensors(layer), torch.zeros(200, 100)
    inputs[:, :10] = 0.1  # the outputs are about 1, where half precision has no such small steps as the spread
    variance = inputs[0].square() @ (2 * layer[0]._weight_log_std).exp().T
    std = (variance + ((2 * layer[0]._bias_log_std).exp() if bias else 0)).sqrt()
    autocast = Precision(precision, torch.device("cpu")).autocast()
    with torch.no_grad(), linear_outputs_sampled(tensors, torch.Generator().manual_seed(0)), autocast:
        outputs = layer(inputs).float()
    torch.testing.assert_close(outputs.std(dim=0).mean(), std.mean(), rtol=0.3, atol=0)


@pytest.mark.parametrize("estimator", ["weights", "antithetic", "recycled"])
@pytest.mark.parametrize("samples", [2, 10])
def test_the_network_is_run_with_as_many_samples_as_asked_for(
    small_pair, small_batch, make_hparams, circumstances, watch, estimator, samples
):
    _, bayesian = small_pair()
    draws = watch(bayesian)
    Elbo(bayesian, make_hparams(samples=samples, estimator=estimator), circumstances).backward(
        *small_batch(), Step(0, 1)
    )
    assert len(draws.samples) == samples


def test_antithetic_samples_come_in_exact_pairs_around_the_mean(
    small_pair, small_batch, make_hparams, circumstances, watch
):
    _, bayesian = small_pair()
    draws = watch(bayesian)
    Elbo(bayesian, make_hparams(samples=6, estimator="antithetic"), circumstances).backward(*small_batch(), Step(0, 1))
    noise = [torch.cat([value.flatten() for value in drawn.values()]) for drawn in draws.noise()]
    for one, other in zip(noise[::2], noise[1::2], strict=True):
        torch.testing.assert_close(one, -other)
    assert not any(noise[0].allclose(later.abs() * noise[0].sign()) for later in noise[2:])


def test_an_unknown_estimator_is_refused_with_the_valid_names():
    with pytest.raises(InvalidValue, match="weights, antithetic"):
        ESTIMATORS.get("flipout")
