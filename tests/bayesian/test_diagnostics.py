"""Diagnostics of a posterior against torch.distributions, percentiles and an analysis of variance by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from bayesian.adapter import variational_tensors
from bayesian.diagnostics import posterior_diagnostics
from bayesian.variant import Bayesian
from training import ALL_LAYERS, Deterministic


@pytest.fixture
def model(small_pair):
    """A convolution with bias and a linear layer without, their stds all different, a third of each pruned."""
    _, bayesian = small_pair()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in variational_tensors(bayesian):
            if tensor.variable == "weight":
                pruned = torch.rand(tensor.mean.shape, generator=generator) < 1 / 3
                tensor.mean[pruned], tensor.log_std[pruned] = 0.0, -math.inf
    return bayesian


def tensors_of(model):
    return {tensor.name: tensor for tensor in variational_tensors(model)}


def kept_stds(tensor):
    return tensor.log_std.exp()[tensor.log_std > -math.inf].detach()


def test_divergences_are_those_of_torch_distributions_pruned_weights_left_out(model):
    found, tensors = posterior_diagnostics(variational_tensors(model)), tensors_of(model)
    expected = {}
    for name, tensor in tensors.items():
        kept = tensor.log_std > -math.inf
        posterior = Normal(tensor.mean.detach()[kept], tensor.log_std.detach()[kept].exp())
        expected[name] = float(kl_divergence(posterior, Normal(0.0, 1.0)).sum())
    assert found["conv"]["kl"] == pytest.approx(expected["conv.weight"] + expected["conv.bias"])
    assert found["fc"]["kl"] == pytest.approx(expected["fc.weight"])
    assert found[ALL_LAYERS]["kl"] == pytest.approx(sum(expected.values()))
    for layer in ("conv", "fc"):
        assert found[layer]["weights"] == len(kept_stds(tensors[f"{layer}.weight"]))


def test_a_prior_of_another_width(model):
    found = posterior_diagnostics(variational_tensors(model), prior_std=0.2)
    tensor = tensors_of(model)["fc.weight"]
    kept = tensor.log_std > -math.inf
    expected = kl_divergence(Normal(tensor.mean[kept], tensor.log_std[kept].exp()), Normal(0.0, 0.2)).sum()
    assert found["fc"]["kl"] == pytest.approx(expected.item())


def test_spreads_are_percentiles_of_the_standard_deviations(model):
    found, tensors = posterior_diagnostics(variational_tensors(model)), tensors_of(model)
    stds = {layer: kept_stds(tensors[f"{layer}.weight"]).numpy() for layer in ("conv", "fc")}
    for layer, values in (*stds.items(), (ALL_LAYERS, np.concatenate(list(stds.values())))):
        low, median, high = np.exp(np.quantile(np.log(values), (0.1, 0.5, 0.9)))
        assert found[layer]["std_spread"] == pytest.approx(high / low)
        assert found[layer]["std_median"] == pytest.approx(median)
        assert found[layer]["std_spread"] > 1.5


def set_stds(model, **stds):
    with torch.no_grad():
        for name, values in stds.items():
            tensor = tensors_of(model)[f"{name}.weight"]
            tensor.log_std.view(-1).copy_(torch.tensor(values).log().repeat(tensor.log_std.numel() // len(values)))


def test_standard_deviations_that_differ_between_layers_alone(small_pair):
    """As the paper's initial ones do: then |mu|/sigma is magnitude with a factor for each layer."""
    _, model = small_pair()
    set_stds(model, conv=[0.1], fc=[0.4])
    found = posterior_diagnostics(variational_tensors(model))
    assert found["conv"]["std_spread"] == found["fc"]["std_spread"] == 1.0
    assert found[ALL_LAYERS]["log_std_variance_within_layers"] == pytest.approx(0.0, abs=1e-12)
    # Of two layers' geometric means the percentiles are a tenth of the way in.
    assert found[ALL_LAYERS]["std_spread_between_layers"] == pytest.approx(4**0.8)


def test_standard_deviations_that_differ_within_layers_alone(small_pair):
    _, model = small_pair()
    set_stds(model, conv=[0.1, 0.4], fc=[0.4, 0.1])
    found = posterior_diagnostics(variational_tensors(model))[ALL_LAYERS]
    assert found["log_std_variance_within_layers"] == pytest.approx(1.0)
    assert found["std_spread_between_layers"] == pytest.approx(1.0)
    assert found["std_spread"] == pytest.approx(4.0)


def test_the_variance_within_layers_by_hand(small_pair):
    """54 weights with log stds 0 and 1, and 48 with 2 and 4."""
    _, model = small_pair()
    set_stds(model, conv=[1.0, math.e], fc=[math.e**2, math.e**4])
    found = posterior_diagnostics(variational_tensors(model))[ALL_LAYERS]
    values = np.array([0.0, 1.0] * 27 + [2.0, 4.0] * 24)
    assert found["log_std_variance_within_layers"] == pytest.approx((54 * 0.25 + 48 * 1.0) / (102 * values.var()))


def test_weights_at_the_prior_are_counted(small_pair):
    _, model = small_pair()
    with torch.no_grad():
        for tensor in variational_tensors(model):
            tensor.mean.fill_(0.5)
        fc = tensors_of(model)["fc.weight"]
        fc.mean.view(-1)[:12], fc.log_std.view(-1)[:12] = 0.0, math.log(1.09)
        fc.mean.view(-1)[12:24], fc.log_std.view(-1)[12:24] = 0.0, math.log(1.2)
    found = posterior_diagnostics(variational_tensors(model))
    assert found["fc"]["at_prior"] == 0.25
    assert found["conv"]["at_prior"] == 0.0
    assert found[ALL_LAYERS]["at_prior"] == pytest.approx(12 / 102)


def test_a_layer_that_is_pruned_whole_has_no_percentiles(small_pair):
    _, model = small_pair()
    with torch.no_grad():
        fc = tensors_of(model)["fc.weight"]
        fc.mean.zero_()
        fc.log_std.fill_(-math.inf)
    found = posterior_diagnostics(variational_tensors(model))
    assert found["fc"] == {"kl": 0.0, "weights": 0.0}
    assert found[ALL_LAYERS]["std_spread_between_layers"] == 1.0


def test_bayesian_networks_are_asked_and_deterministic_ones_have_nothing_to_say(make_network, make_hparams):
    model = make_network("mnist_lenet_12")
    found = Bayesian(make_hparams()).diagnostics(model)
    assert list(found) == [*dict.fromkeys(t.name.rpartition(".")[0] for t in variational_tensors(model)), ALL_LAYERS]
    assert found[ALL_LAYERS]["std_spread_between_layers"] > 1.0 == found["fc"]["std_spread"]
    assert Deterministic().diagnostics(model) == {}


def test_a_variants_divergences_are_from_the_prior_that_it_is_trained_with(model, make_hparams):
    found = Bayesian(make_hparams(prior_std=0.2)).diagnostics(model)
    tensor = tensors_of(model)["fc.weight"]
    kept = tensor.log_std > -math.inf
    expected = kl_divergence(Normal(tensor.mean[kept], tensor.log_std[kept].exp()), Normal(0.0, 0.2)).sum()
    assert found["fc"]["kl"] == pytest.approx(expected.item())
