"""Changes to a data set that are made once, on whole tensors, before training."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import interpolate

from datasets.hparams import portion
from datasets.source import LabelledImages
from foundations.randomness import derive_seed

NUM_ROTATIONS = 4
_CHUNK = 4096  # images that are blurred or enlarged at a time: as floats they need four times the memory


def split_indices(count: int, validation_fraction: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of `count` examples are for training, and which are held out for validation: int64, ascending.

    The latter are a fraction, rounded up. They depend on the number of examples and the fraction alone, and those of a
    smaller fraction are among those of a greater one: replicates, levels and experiments share them.
    """
    if validation_fraction is None:
        return torch.arange(count), torch.arange(0)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed("validation")))
    held_out = portion(count, validation_fraction)
    return order[held_out:].sort().values, order[:held_out].sort().values


def subsample_indices(count: int, fraction: float, seed: int) -> torch.Tensor:
    """Return which examples a subsample keeps: int64, the subset that OpenLTH's numbers give."""
    chosen = np.random.RandomState(seed + 1).permutation(count)[: portion(count, fraction)]
    return torch.from_numpy(chosen.astype(np.int64))


def subsample(images: LabelledImages, fraction: float, seed: int) -> LabelledImages:
    """Return a random fraction of the examples, rounded up."""
    return images.select(subsample_indices(len(images), fraction, seed))


def random_labels(labels: torch.Tensor, fraction: float, num_classes: int, seed: int) -> torch.Tensor:
    """Return labels of which a random fraction (rounded up) is replaced by uniform ones; a copy."""
    k = portion(len(labels), fraction)
    drawn = np.random.RandomState(seed).randint(num_classes, size=k)
    replaced = labels.clone()
    replaced[subsample_indices(len(labels), fraction, seed)] = torch.from_numpy(drawn.astype(np.int64))
    return replaced


def randomize_labels(images: LabelledImages, fraction: float, num_classes: int, seed: int) -> LabelledImages:
    """Return the examples, a random fraction of them (rounded up) with uniform labels."""
    return LabelledImages(images.images, random_labels(images.labels, fraction, num_classes, seed))


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return images in another size, bilinear and antialiased.

    Args:
        images: uint8, (N, C, H, W).
    """

    def resized(part: torch.Tensor) -> torch.Tensor:
        floats = interpolate(part.float(), size=(height, width), mode="bilinear", antialias=True)
        return floats.round_().clamp_(0, 255).to(torch.uint8)

    return torch.cat([resized(part) for part in images.split(_CHUNK)])


def square(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return the squares in the centres of images, brought to a side.

    Args:
        images: uint8, (N, C, H, W).
    """
    height, width = images.shape[-2:]
    shorter = min(height, width)
    top, left = (height - shorter) // 2, (width - shorter) // 2
    centres = images[..., top : top + shorter, left : left + shorter]
    return centres if shorter == side else resize(centres, side, side)


def blur(images: torch.Tensor, factor: int) -> torch.Tensor:
    """Return images shrunk by a factor and enlarged again.

    Args:
        images: uint8, (N, C, H, W).
        factor: at least 1, which changes nothing; no side gets shorter than a pixel.
    """
    height, width = images.shape[-2:]
    return resize(resize(images, max(1, height // factor), max(1, width // factor)), height, width)


def draw_turns(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return, for each example, by how many quarters it is turned: int64, 0 to 3."""
    return torch.randint(NUM_ROTATIONS, (count,), generator=generator)


def rotate(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Return each image turned counter-clockwise by exactly its number of quarters.

    Args:
        images: any type, (N, C, H, H).
        turns: int64, (N,), 0 to 3.
    """
    turned = images
    for quarters in range(1, NUM_ROTATIONS):
        turned = torch.where((turns == quarters)[:, None, None, None], images.rot90(quarters, (2, 3)), turned)
    return turned


def rotation_task(images: LabelledImages, generator: torch.Generator) -> LabelledImages:
    """Return each image turned by a random multiple of 90 degrees, with that multiple (0 to 3) as its label.

    The angles are drawn once for each example. Whoever mirrors images must do so before this: a mirrored image
    turned to the left looks like one turned to the right.
    """
    turns = draw_turns(len(images), generator)
    return LabelledImages(rotate(images.images, turns), turns)
