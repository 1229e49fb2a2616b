"""1x1 convolutions with a stride over few channels compute what they always did, without the kernel that crashes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from models import ModelHparams, build_network
from models.build import avoid_narrow_strided_pointwise


def gradients(layer: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    images = images.clone().requires_grad_()
    layer(images).square().sum().backward()
    return [images.grad, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (3, 1)])
def test_outputs_and_gradients_stay_the_same(stride):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(5, 3, 9, 8, generator=generator, dtype=torch.float64)  # a type that oneDNN leaves to PyTorch
    plain = nn.Conv2d(3, 6, 1, stride=stride).double()
    subsampled = copy.deepcopy(plain)
    avoid_narrow_strided_pointwise(nn.Sequential(subsampled))
    assert subsampled.stride == (1, 1)
    assert torch.allclose(subsampled(images), plain(images))
    for one, other in zip(gradients(subsampled, images), gradients(plain, images), strict=True):
        assert torch.allclose(one, other)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(8, 16, 1, stride=2), nn.Conv2d(4, 8, 3, stride=2), nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 1, 2, 1)],
    ids=["wide", "3x3", "no stride", "padded"],
)
def test_other_convolutions_are_left_alone(layer):
    before = layer.stride
    avoid_narrow_strided_pointwise(nn.Sequential(layer))
    assert layer.stride == before
    assert not layer._forward_pre_hooks


def test_a_narrow_residual_network_trains_in_channels_last_without_crashing():
    hparams = ModelHparams(model_name="cifar_resnet_8_4", model_init="kaiming_normal", batchnorm_init="uniform")
    model = build_network(hparams, 10, seed=1).to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 32, 32).to(memory_format=torch.channels_last)
    for _ in range(20):
        model(images).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
