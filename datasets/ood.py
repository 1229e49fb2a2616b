"""Images that are out of a data set's distribution: another data set's, or its own ones changed beyond recognition."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from datasets.corruptions import change_images, gaussian_noise
from datasets.source import DATASETS
from foundations.errors import InvalidValue, one_of
from foundations.randomness import derive_seed
from foundations.registry import Registry

_NOISE = 0.5
"""The noise's standard deviation, of the range from black to white: twice that of the severest corruption."""

Changed = Callable[[Tensor], Tensor]
"""From a data set's own images, uint8 (N, C, H, W), to such that are out of its distribution."""

OOD_CHANGES: Registry[Changed] = Registry("ood")
"""Changes of a data set's own test images, by name on the command line."""


def ood_names(dataset_name: str) -> list[str]:
    """Return what can be out of a data set's distribution: other data sets in memory, and its own images changed."""
    return [*(name for name in DATASETS.names() if name != dataset_name), *OOD_CHANGES.names()]


def check_ood(name: str, dataset_name: str) -> None:
    """Check that a name stands for images out of a data set's distribution.

    Raises:
        InvalidValue: if it does not.
    """
    if name not in ood_names(dataset_name):
        raise InvalidValue("ood", name, one_of(ood_names(dataset_name)))


@OOD_CHANGES.register("rotated")
def rotated(images: Tensor) -> Tensor:
    """Turn images by a quarter, counter-clockwise."""
    return images.rot90(1, (2, 3))


@OOD_CHANGES.register("inverted")
def inverted(images: Tensor) -> Tensor:
    """Make white black, and black white."""
    return 255 - images


@OOD_CHANGES.register("noised")
def noised(images: Tensor) -> Tensor:
    """Add so much noise that little else is left; it is the same in every run."""
    generator = torch.Generator().manual_seed(derive_seed("noised"))
    return change_images(images, gaussian_noise, _NOISE, generator)
