"""Corruptions of images, of five severities each, that shift test images away from those of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from foundations.errors import InvalidValue
from foundations.randomness import derive_seed
from foundations.registry import Registry

SEVERITIES = (1, 2, 3, 4, 5)

_CHUNK = 4096  # images at a time, always: what is drawn for an image depends on it
_BLACK_TO_WHITE = 255
_STDS_OF_KERNEL = 3
_BLOCKS = (0.65, 0.5, 0.4, 0.3, 0.2)

Change = Callable[[Tensor, float, torch.Generator], Tensor]
"""From images, float32 (N, C, H, W) in [0, 1], and a strength to changed ones, which may leave that range."""


@dataclass(frozen=True)
class Corruption:
    """A change to images and its strength at each severity; the generator is of the CPU, whatever the device."""

    change: Change
    strengths: tuple[float, ...]


CORRUPTIONS: Registry[Corruption] = Registry("shift")
"""By name on the command line. A plugin adds its own by `@register_corruption("name", ...)` with five strengths."""


def register_corruption(name: str, *strengths: float) -> Callable[[Change], Change]:
    """Return a decorator that registers a change as a corruption.

    Args:
        strengths: at severities 1 to 5.
    """
    if len(strengths) != len(SEVERITIES):
        raise ValueError(f"{name}: a corruption has {len(SEVERITIES)} strengths, not {len(strengths)}")

    def decorate(change: Change) -> Change:
        CORRUPTIONS.register(name)(Corruption(change, strengths))
        return change

    return decorate


def corrupt(images: Tensor, name: str, severity: int) -> Tensor:
    """Return corrupted images; what is drawn depends on name, severity and an image's place among the images alone.

    Args:
        images: uint8, (N, C, H, W), on any device.
        severity: 1 to 5.

    Raises:
        InvalidValue: if there is no such corruption.
    """
    if severity not in SEVERITIES:
        raise InvalidValue("shift", f"{name} at severity {severity}", f"severities are 1 to {len(SEVERITIES)}")
    found = CORRUPTIONS.get(name)
    generator = torch.Generator().manual_seed(derive_seed("corruption", name, severity))
    return change_images(images, found.change, found.strengths[severity - 1], generator)


def change_images(images: Tensor, change: Change, strength: float, generator: torch.Generator) -> Tensor:
    """Return uint8 images after a change, rounded to whole numbers within 0 and 255."""

    def changed(part: Tensor) -> Tensor:
        pixels = change(part.float().div_(_BLACK_TO_WHITE), strength, generator)
        return pixels.mul(_BLACK_TO_WHITE).round_().clamp_(0, _BLACK_TO_WHITE).to(torch.uint8)

    return torch.cat([changed(part) for part in images.split(_CHUNK)])


@register_corruption("gaussian_noise", 0.04, 0.08, 0.12, 0.18, 0.26)
def gaussian_noise(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Add independent noise to every pixel of every channel."""
    return images + std * torch.randn(images.shape, generator=generator).to(images.device)


@register_corruption("blur", 0.5, 0.75, 1.0, 1.5, 2.0)
def blur(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Convolve with a Gaussian, whose standard deviation is in pixels of an image of 32x32."""
    from torchvision.transforms.functional import gaussian_blur

    own_std = std * images.shape[-1] / 32
    side = 2 * math.ceil(_STDS_OF_KERNEL * own_std) + 1
    blurred: Tensor = gaussian_blur(images, [side, side], [own_std, own_std])
    return blurred


@register_corruption("contrast", 0.75, 0.5, 0.4, 0.3, 0.15)
def contrast(images: Tensor, kept: float, generator: torch.Generator) -> Tensor:
    """Draw pixels towards the mean of their image's channel, of whose distance a fraction is kept."""
    means = images.mean(dim=(2, 3), keepdim=True)
    return means + kept * (images - means)


@register_corruption("brightness", 0.1, 0.2, 0.3, 0.4, 0.5)
def brightness(images: Tensor, added: float, generator: torch.Generator) -> Tensor:
    """Add the same to every pixel."""
    return images + added


@register_corruption("pixelation", *_BLOCKS)
def pixelation(images: Tensor, kept: float, generator: torch.Generator) -> Tensor:
    """Average over areas, of which a side has a fraction of the image's pixels, and show each as a block."""
    height, width = images.shape[-2:]
    small = interpolate(images, size=(_blocks(kept, height), _blocks(kept, width)), mode="area")
    return interpolate(small, size=(height, width), mode="nearest-exact")


def _blocks(kept: float, pixels: int) -> int:
    """Return how many blocks a side has: in small images, where fractions round alike, fewer at each severity."""
    blocks = pixels
    for fraction in _BLOCKS[: _BLOCKS.index(kept) + 1]:
        blocks = max(1, min(round(fraction * pixels), blocks - 1))
    return blocks


@register_corruption("rotation", 10.0, 20.0, 30.0, 45.0, 60.0)
def rotation(images: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Rotate counter-clockwise about the centre, with black where nothing was."""
    from torchvision.transforms.functional import InterpolationMode, rotate

    rotated: Tensor = rotate(images, degrees, InterpolationMode.BILINEAR)
    return rotated
