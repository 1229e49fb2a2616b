from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models import BATCHNORM_INITIALIZERS, INITIALIZERS

# (layer, fan_in)
LAYERS = [
    (lambda: nn.Linear(300, 200), 300),
    (lambda: nn.Conv2d(32, 64, 3), 32 * 9),
    (lambda: nn.Conv2d(64, 64, 3, groups=4), 16 * 9),
]


def initialised(name: str, layer, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    module = layer()
    INITIALIZERS.get(name)(module)
    return module


def test_the_names_are_those_of_openlth_and_two_more():
    names = ["binary", "kaiming_normal", "kaiming_uniform", "torch_default", "orthogonal", "as_built"]
    assert INITIALIZERS.names() == names


@pytest.mark.parametrize(("layer", "fan_in"), LAYERS)
@pytest.mark.parametrize("name", ["binary", "kaiming_normal", "kaiming_uniform"])
def test_mean_is_zero_and_variance_two_over_fan_in(name, layer, fan_in):
    weight = initialised(name, layer).weight
    std = math.sqrt(2 / fan_in)
    # Five standard errors; that of the variance is largest for the normal distribution.
    assert weight.mean().abs() < 5 * std / math.sqrt(weight.numel())
    assert weight.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * weight.numel()))


@pytest.mark.parametrize(("layer", "fan_in"), LAYERS)
@pytest.mark.parametrize(("name", "gain"), [("kaiming_uniform", 6), ("torch_default", 1)])
def test_uniform_weights_fill_their_interval(layer, fan_in, name, gain):
    weight, bound = initialised(name, layer).weight, math.sqrt(gain / fan_in)
    assert weight.abs().max() <= bound
    assert weight.max() > 0.99 * bound
    assert weight.min() < -0.99 * bound


def test_kaiming_normal_is_normal():
    weight = initialised("kaiming_normal", LAYERS[0][0]).weight
    standardised = weight / math.sqrt(2 / 300)
    assert (standardised.abs() < 1).float().mean().item() == pytest.approx(0.6827, abs=0.01)
    assert (standardised**4).mean().item() == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize(("layer", "fan_in"), LAYERS)
def test_binary_has_one_magnitude_and_the_signs_of_kaiming_normal(layer, fan_in):
    weight = initialised("binary", layer).weight
    torch.testing.assert_close(weight.abs(), torch.full_like(weight, math.sqrt(2 / fan_in)))
    assert torch.equal(weight.sign(), initialised("kaiming_normal", layer).weight.sign())


@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS])
def test_orthogonal_rows_or_columns_are_orthonormal(layer):
    matrix = initialised("orthogonal", layer).weight.flatten(1)
    rows, columns = matrix.shape
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    torch.testing.assert_close(gram, torch.eye(len(gram)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in INITIALIZERS.names() if name != "torch_default"])
def test_biases_and_other_modules_keep_what_they_had(name):
    torch.manual_seed(0)
    linear, norm = nn.Linear(4, 3), nn.BatchNorm2d(3)
    bias, scale = linear.bias.clone(), norm.weight.clone()
    for module in (linear, norm):
        INITIALIZERS.get(name)(module)
    assert torch.equal(linear.bias, bias)
    assert torch.equal(norm.weight, scale)
    assert linear.weight.requires_grad


def test_pytorchs_own_initialiser_draws_what_pytorch_draws_biases_included():
    torch.manual_seed(3)
    new = nn.Linear(4, 3)
    module = nn.Linear(4, 3)
    nn.init.zeros_(module.bias)
    torch.manual_seed(3)
    INITIALIZERS.get("torch_default")(module)
    assert torch.equal(module.weight, new.weight) and torch.equal(module.bias, new.bias)


def batchnorm_initialised(name: str) -> nn.BatchNorm2d:
    torch.manual_seed(0)
    module = nn.BatchNorm2d(20_000)
    nn.init.constant_(module.weight, 7)
    nn.init.constant_(module.bias, 7)
    BATCHNORM_INITIALIZERS.get(name)(module)
    return module


def test_batchnorms_names_are_those_of_openlth_and_one_more():
    assert BATCHNORM_INITIALIZERS.names() == ["uniform", "fixed", "oneone", "positivenegative", "as_built"]


@pytest.mark.parametrize(("name", "weight", "bias"), [("fixed", 1, 0), ("oneone", 1, 1)])
def test_batchnorm_constants(name, weight, bias):
    module = batchnorm_initialised(name)
    assert (module.weight == weight).all()
    assert (module.bias == bias).all()


@pytest.mark.parametrize(("name", "low"), [("uniform", 0), ("positivenegative", -1)])
def test_batchnorm_has_uniform_weights_and_zero_biases(name, low):
    module = batchnorm_initialised(name)
    assert low <= module.weight.min() < low + 0.01
    assert 0.99 < module.weight.max() <= 1
    assert module.weight.mean().item() == pytest.approx((low + 1) / 2, abs=0.03)
    assert (module.bias == 0).all()


@pytest.mark.parametrize("name", BATCHNORM_INITIALIZERS.names())
def test_modules_other_than_batchnorm_keep_what_they_had(name):
    torch.manual_seed(0)
    linear = nn.Linear(3, 2)
    before = linear.weight.clone()
    BATCHNORM_INITIALIZERS.get(name)(linear)
    BATCHNORM_INITIALIZERS.get(name)(nn.BatchNorm2d(3, affine=False))
    assert torch.equal(linear.weight, before)
