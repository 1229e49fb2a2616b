"""Random crops and reflections, for whole batches of bytes on the device, and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import pad


@dataclass(frozen=True)
class CropsAndFlips:
    """Where an epoch's training images are cropped and whether they are mirrored, by example.

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

    @staticmethod
    def empty(count: int, device: torch.device) -> CropsAndFlips:
        """Return memory on a device for those of `count` examples."""
        tops, lefts = torch.empty(2, count, dtype=torch.int64, device=device)
        return CropsAndFlips(tops, lefts, torch.empty(count, dtype=torch.bool, device=device))

    def select(self, indices: torch.Tensor) -> CropsAndFlips:
        """Return those of some examples, int64 (B,)."""
        return CropsAndFlips(*(one.index_select(0, indices) for one in (self.tops, self.lefts, self.flips)))

    def copy_(self, other: CropsAndFlips) -> None:
        """Take over another's numbers, from wherever they lie."""
        self.tops.copy_(other.tops)
        self.lefts.copy_(other.lefts)
        self.flips.copy_(other.flips)


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied.

    Args:
        flip: whether half of the images are mirrored left to right.
        padding: pixels of black border from which a crop of the image's own size is taken; 0 for none.
    """

    flip: bool
    padding: int

    def draw(self, count: int, generator: torch.Generator) -> CropsAndFlips:
        """Draw an epoch's crops and flips of `count` examples from a CPU generator."""
        corners = torch.randint(2 * self.padding + 1, (2, count), generator=generator)
        flips = torch.rand(count, generator=generator) < (0.5 if self.flip else 0.0)
        return CropsAndFlips(corners[0], corners[1], flips)

    def apply(self, images: torch.Tensor, crops: CropsAndFlips) -> torch.Tensor:
        """Return the images cropped and mirrored.

        Args:
            images: uint8, (B, C, H, W), contiguous or channels_last; the result is laid out in the same way.
            crops: that of these B images.
        """
        if self.padding:
            images = crop(images, self.padding, crops.tops, crops.lefts)
        if self.flip:
            both = torch.cat((images, images.flip(-1)))
            chosen = torch.arange(len(images), device=images.device) + len(images) * crops.flips
            images = take(both, chosen)
        return images


def take(images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Return `images[indices]`, laid out in memory as the images are.

    Whole images are copied, where indexing would go byte by byte.

    Args:
        images: (N, C, H, W), contiguous or channels_last; they may overlap in memory.
        indices: int64, (B,).
    """
    if images.stride(1) < images.stride(3):  # channels_last
        return images.permute(0, 2, 3, 1).index_select(0, indices).permute(0, 3, 1, 2)
    return images.index_select(0, indices)


def crop(images: torch.Tensor, padding: int, tops: torch.Tensor, lefts: torch.Tensor) -> torch.Tensor:
    """Return crops of the images' own size out of the images with a black border.

    Args:
        images: uint8, (B, C, H, W), contiguous or channels_last; the result is laid out in the same way.
        tops: int64, (B,), between 0 and twice the padding.
        lefts: likewise.
    """
    count, channels, height, width = images.shape
    padded = pad(images, (padding, padding, padding, padding))
    n, c, y, x = padded.stride()
    starts = torch.arange(count, device=images.device) * n + tops * y + lefts * x
    windows = padded.numel() - (channels - 1) * c - (height - 1) * y - (width - 1) * x
    # A view of a window at every byte of the batch, of which each crop is one: no index per pixel is needed.
    return take(padded.as_strided((windows, channels, height, width), (1, c, y, x)), starts)


class Normalization:
    """From bytes to what a network sees: `(pixel / 255 - mean) / std`, channel by channel.

    Args:
        mean: of each channel, or one for all of them, for pixels in [0, 1].
        std: likewise.
        device: where the images lie.
        memory_format: the layout of the result; cheapest if the images have it already.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.memory_format = memory_format
        self._channels = [
            torch.tensor([255 * value for value in values], device=device).view(1, -1, 1, 1) for values in (mean, std)
        ]
        self._mean, self._std = self._channels

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return uint8 images (B, C, H, W) as normalised float32."""
        if self._mean.shape[1:] != images.shape[1:]:
            # One number a channel would make a loop over three channels at every pixel of channels_last images.
            self._mean, self._std = (
                values.expand(1, *images.shape[1:]).contiguous(memory_format=self.memory_format)
                for values in self._channels
            )
        return images.to(torch.float32, memory_format=self.memory_format).sub_(self._mean).div_(self._std)
