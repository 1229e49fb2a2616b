from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from models import ModelHparams, build_network

NAMES = ["mnist_lenet_12", "cifar_resnet_8_4", "imagenet_resnet_18_8", "cifar_vit_tiny"]


def hparams(name: str, **changes: str) -> ModelHparams:
    values = {"model_init": "kaiming_normal", "batchnorm_init": "uniform", **changes}
    return ModelHparams(model_name=name, **values)


@pytest.mark.parametrize("name", NAMES)
def test_the_bits_depend_on_the_seed_alone(name):
    torch.manual_seed(1)
    first = build_network(hparams(name), 10, seed=5).state_dict()
    torch.manual_seed(2)
    second = build_network(hparams(name), 10, seed=5).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_draws_every_matrix_anew(name):
    first, second = (build_network(hparams(name), 10, seed=seed) for seed in (5, 6))
    for (key, one), two in zip(first.named_parameters(), second.parameters(), strict=True):
        assert one.dim() < 2 or not torch.equal(one, two), key


@pytest.mark.parametrize("name", NAMES)
def test_the_default_generator_is_left_as_it_was(name):
    before = torch.get_rng_state()
    build_network(hparams(name), 10, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_initialisers_reach_every_layer():
    model = build_network(hparams("cifar_resnet_8_4", model_init="binary", batchnorm_init="oneone"), 10, seed=0)
    for key, parameter in model.named_parameters():
        if parameter.dim() > 1:
            assert parameter.abs().unique().numel() == 1, key
        elif "bn" in key or "shortcut.1" in key:
            assert (parameter == 1).all(), key


def test_the_number_of_classes_reaches_the_network():
    assert build_network(hparams("cifar_resnet_8_4"), 100, seed=0).fc.weight.shape == (100, 16)


def test_models_can_be_imported_without_the_slow_libraries():
    code = "import models, sys; print([m for m in ('torchvision', 'timm') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
