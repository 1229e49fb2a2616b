"""Random crops and reflections, for whole batches of bytes on the device, and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad


@dataclass(frozen=True)
class Placement:
    """One epoch's random numbers of augmentation, by example.

    Drawn for all examples at once, so that what happens to an image depends neither on the batch size
    nor on the iteration from which training resumed.

    Args:
        tops: int64, (N,), the first row of the crop in the padded image.
        lefts: int64, (N,), its first column.
        flips: bool, (N,), whether the crop is mirrored.
    """

    tops: torch.Tensor
    lefts: torch.Tensor
    flips: torch.Tensor

    def select(self, indices: torch.Tensor | slice) -> Placement:
        """Return the placement of some examples."""
        return Placement(self.tops[indices], self.lefts[indices], self.flips[indices])

    def to(self, device: torch.device) -> Placement:
        """Return the placement on a device."""
        return Placement(self.tops.to(device), self.lefts.to(device), self.flips.to(device))


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied.

    Args:
        flip: whether half of the images are mirrored left to right.
        padding: pixels of black border from which a crop of the image's own size is taken; 0 for none.
    """

    flip: bool
    padding: int

    def draw(self, count: int, generator: torch.Generator) -> Placement:
        """Draw an epoch's placement of `count` examples from a CPU generator."""
        corners = torch.randint(2 * self.padding + 1, (2, count), generator=generator)
        flips = torch.rand(count, generator=generator) < (0.5 if self.flip else 0.0)
        return Placement(corners[0], corners[1], flips)

    def apply(self, images: torch.Tensor, placement: Placement) -> torch.Tensor:
        """Return the images cropped and mirrored.

        Args:
            images: uint8, (B, C, H, W).
            placement: that of these B images.
        """
        if self.padding:
            images = crop(images, self.padding, placement.tops, placement.lefts)
        if self.flip:
            images = torch.where(placement.flips[:, None, None, None], images.flip(-1), images)
        return images


def crop(images: torch.Tensor, padding: int, tops: torch.Tensor, lefts: torch.Tensor) -> torch.Tensor:
    """Return crops of the images' own size out of the images with a black border.

    Args:
        images: (B, C, H, W).
        tops: int64, (B,), between 0 and twice the padding.
        lefts: likewise.
    """
    count, channels, height, width = images.shape
    padded = pad(images, (padding, padding, padding, padding))
    n, c, y, x = padded.stride()
    offsets = 2 * padding + 1
    # A view of every possible crop of every image; indexing copies one crop each, with no index per pixel.
    windows = padded.as_strided((count, offsets, offsets, channels, height, width), (n, y, x, c, y, x))
    return windows[torch.arange(count, device=images.device), tops, lefts]


def normalize(
    images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, memory_format: torch.memory_format
) -> torch.Tensor:
    """Return bytes as normalised float32.

    Args:
        images: uint8, (B, C, H, W).
        mean: of bytes, (1, C, 1, 1).
        std: likewise.
    """
    return images.to(torch.float32, memory_format=memory_format).sub_(mean).div_(std)


class Normalization:
    """From bytes to what a network sees: `(pixel / 255 - mean) / std`, channel by channel.

    Args:
        mean: of each channel, or one for all of them, for pixels in [0, 1].
        std: likewise.
        device: where the images lie.
        memory_format: the layout of the result.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._mean, self._std = (
            torch.tensor([255 * value for value in values], device=device).view(1, -1, 1, 1) for values in (mean, std)
        )
        self._memory_format = memory_format

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return uint8 images (B, C, H, W) as normalised float32."""
        return normalize(images, self._mean, self._std, self._memory_format)
