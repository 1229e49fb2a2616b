from __future__ import annotations

import pytest
import torch
from torch import nn

from models import BATCHNORM_INITIALIZERS


def initialised(name: str) -> nn.BatchNorm2d:
    torch.manual_seed(0)
    module = nn.BatchNorm2d(20_000)
    nn.init.constant_(module.weight, 7)
    nn.init.constant_(module.bias, 7)
    BATCHNORM_INITIALIZERS.get(name)(module)
    return module


def test_the_names_are_those_of_openlth():
    assert BATCHNORM_INITIALIZERS.names() == ["uniform", "fixed", "oneone", "positivenegative"]


@pytest.mark.parametrize(("name", "weight", "bias"), [("fixed", 1, 0), ("oneone", 1, 1)])
def test_constants(name, weight, bias):
    module = initialised(name)
    assert (module.weight == weight).all()
    assert (module.bias == bias).all()


@pytest.mark.parametrize(("name", "low"), [("uniform", 0), ("positivenegative", -1)])
def test_uniform_weights_and_zero_biases(name, low):
    module = initialised(name)
    assert low <= module.weight.min() < low + 0.01
    assert 0.99 < module.weight.max() <= 1
    assert module.weight.mean().item() == pytest.approx((low + 1) / 2, abs=0.03)
    assert (module.bias == 0).all()


@pytest.mark.parametrize("name", BATCHNORM_INITIALIZERS.names())
def test_other_modules_keep_what_they_had(name):
    torch.manual_seed(0)
    linear = nn.Linear(3, 2)
    before = linear.weight.clone()
    BATCHNORM_INITIALIZERS.get(name)(linear)
    BATCHNORM_INITIALIZERS.get(name)(nn.BatchNorm2d(3, affine=False))
    assert torch.equal(linear.weight, before)
