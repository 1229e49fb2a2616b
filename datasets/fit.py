"""Bringing images to the shape that a network takes."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

from datasets.source import LabelledImages
from datasets.transforms import resize
from foundations.errors import InvalidValue

ImageShape = tuple[int | None, int | None, int | None]
"""(C, H, W) as a network takes it; None stands for any."""

_ENLARGED = {(8, 28), (8, 32)}
_PADDED = {(28, 32): 2}


def fitted_shape(
    shape: tuple[int, int, int], wanted: ImageShape | None, dataset_name: str, model_name: str
) -> tuple[int, int, int]:
    """Return the shape that images get for a network, without touching an image.

    Args:
        shape: (C, H, W) of the images.
        wanted: what the network takes; None, whole or in part, means anything.

    Raises:
        InvalidValue: if images of this shape cannot be brought to what the network takes.
    """
    channels, height, width = shape
    c, h, w = wanted or (None, None, None)
    target = (channels if c is None else c, height if h is None else h, width if w is None else w)
    are_squares = height == width and target[1] == target[2]
    can_be_brought = are_squares and (height, target[1]) in {*_ENLARGED, *_PADDED}
    sides_fit = (height, width) == target[1:] or can_be_brought
    channels_fit = channels == target[0] or (channels, target[0]) == (1, 3)
    if not (sides_fit and channels_fit):
        takes = "x".join("any" if side is None else str(side) for side in (c, h, w))
        has = "x".join(map(str, shape))
        reason = f"its images of {has} do not fit {model_name}, a network that takes {takes}"
        is_of_size_alone = channels_fit and target[1] == target[2]
        hint = f"; --image_size={target[1]} brings them to it" if is_of_size_alone else ""
        raise InvalidValue("dataset_name", dataset_name, reason + hint)
    return target


def fit_images(images: torch.Tensor, wanted: ImageShape | None, dataset_name: str, model_name: str) -> torch.Tensor:
    """Return images as a network takes them: padded with black, enlarged, or one channel repeated to three.

    Args:
        images: uint8, (N, C, H, W).

    Raises:
        InvalidValue: as `fitted_shape` does.
    """
    channels, height, width = images.shape[1:]
    c, h, w = fitted_shape((channels, height, width), wanted, dataset_name, model_name)
    if (height, h) in _PADDED:
        border = _PADDED[(height, h)]
        images = pad(images, (border, border, border, border))
    elif (height, width) != (h, w):
        images = resize(images, h, w)
    return images.repeat(1, c, 1, 1) if c != channels else images


def fit_examples(
    examples: LabelledImages, wanted: ImageShape | None, dataset_name: str, model_name: str
) -> LabelledImages:
    """Return the examples with their images as `fit_images` makes them."""
    return LabelledImages(fit_images(examples.images, wanted, dataset_name, model_name), examples.labels)


def bring_to_shape(images: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Return another data set's images in the shape of this one's: (C, H, W), whatever they have.

    Colours become grey by their luminance, and one channel is repeated; 28x28 gets a black border for 32x32, as
    everywhere; other sizes are interpolated.

    Args:
        images: uint8, (N, C, H, W).
    """
    from torchvision.transforms.functional import rgb_to_grayscale

    channels, height, width = shape
    if images.shape[1] == 3 and channels == 1:
        images = rgb_to_grayscale(images)
    if images.shape[1] != channels:
        images = images[:, :1].repeat(1, channels, 1, 1)
    if images.shape[2] == images.shape[3] and height == width and (images.shape[2], height) in _PADDED:
        border = _PADDED[(images.shape[2], height)]
        return pad(images, (border, border, border, border))
    return images if images.shape[2:] == (height, width) else resize(images, height, width)
