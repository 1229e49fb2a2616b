"""Small networks with random masks, biases and statistics, and what of them can go, found by trying."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models import find_family, prunable_tensor_names
from models.build import avoid_narrow_strided_pointwise

FAMILIES = ("mnist_lenet_30_20", "cifar_vgg_11_4", "cifar_resnet_8_8", "cifar_vit_2_32_2", "imagenet_resnet_18_4")


def pruned(name: str, density: float, seed: int, whole: str = "") -> tuple[nn.Module, Tensor]:
    """A family's network with random masks, and four random images.

    Args:
        whole: a layer that is not pruned.
    """
    family = find_family(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = family.build(name, 10)
        avoid_narrow_strided_pointwise(model)
        disturb(model)
        prune(model, density, whole)
        channels, height, width = family.image_shape
        return model.eval(), torch.randn(4, channels, height or 32, width or 32)


@torch.no_grad()
def disturb(model: nn.Module) -> None:
    """Draw what a fresh network has the same for all units: biases and statistics."""
    for module in model.modules():
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias, std=0.3)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)


@torch.no_grad()
def prune(model: nn.Module, density: float, whole: str = "") -> None:
    """Set weights to 0 at random."""
    for name in prunable_tensor_names(model):
        if name != f"{whole}.weight":
            weight = model.get_parameter(name)
            weight.mul_(torch.rand(weight.shape) < density)


@torch.no_grad()
def needed_by_trial(model: nn.Module, place: str, images: Tensor) -> Tensor:
    """Which units (C,) of a module's output (B, C, ...) vary over images and positions, and have an effect."""
    seen: list[Tensor] = []
    hook = model.get_submodule(place).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    expected = model(images)
    hook.remove()
    values = seen[0].transpose(0, 1).flatten(1)  # (C, B * positions)
    return torch.stack(
        [values[unit].std() > 1e-6 and _has_effect(model, place, unit, images, expected) for unit in range(len(values))]
    )


def _has_effect(model: nn.Module, place: str, unit: int, images: Tensor, expected: Tensor) -> Tensor:
    def change(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[:, unit] += 1.0
        return changed

    hook = model.get_submodule(place).register_forward_hook(change)
    outputs = model(images)
    hook.remove()
    return (outputs - expected).abs().max() > 1e-7


def images_of(*shape: int) -> Callable[[], list[Tensor]]:
    """What gives the same random images each time."""
    images = torch.randn(*shape)
    return lambda: [images]


def parameters(model: nn.Module) -> int:
    """The number of a network's parameters."""
    return sum(parameter.numel() for parameter in model.parameters())
