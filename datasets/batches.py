"""The batches of a data set that lies on the device, out of memory that stays where it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from datasets.augmentation import Augmentation, CropsAndFlips, Normalization, take
from datasets.epoch_streams import EpochStreams, part_of_batch
from datasets.transforms import rotate
from foundations.ranks import Ranks

Batch = tuple[torch.Tensor, torch.Tensor]
"""Normalised images, float32 (B, C, H, W), and labels, int64 (B,), on the device."""


@dataclass(frozen=True)
class DeviceExamples:
    """Examples on the device, as bytes, and how a batch is made of them.

    Args:
        images: uint8, (N, C, H, W), in the layout that batches are to have.
        labels: int64, (N,).
        normalization: from bytes to what the network sees.
        augmentation: how images are varied; None for not at all.
        rotations: whether labels are quarter turns (0 to 3), by which images are turned after augmentation.
    """

    images: torch.Tensor
    labels: torch.Tensor
    normalization: Normalization
    augmentation: Augmentation | None = None
    rotations: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.images.device

    def batch(self, chosen: torch.Tensor, crops: CropsAndFlips | None) -> Batch:
        """Return some examples (int64 indices, (B,)) as the network takes them, varied by these crops and flips."""
        images, labels = take(self.images, chosen), self.labels.index_select(0, chosen)
        if self.augmentation is not None and crops is not None:
            images = self.augmentation.apply(images, crops)
        if self.rotations:
            images = rotate(images, labels)
        return self.normalization(images), labels


class DeviceBatches:
    """The batches of one epoch after another.

    The host moves an epoch's random numbers to the device once, and waits for it then. Which batch is the next, the
    device knows by itself: `take` is the same work on the same memory every time, so that a GPU can replay it.

    Args:
        batch_size: examples in a batch; an epoch's last one may be smaller.
        seeds: where an epoch's random numbers come from.
        ranks: the processes that share a batch's examples.
    """

    stay_in_place = True

    def __init__(self, examples: DeviceExamples, batch_size: int, seeds: EpochStreams, ranks: Ranks) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._seeds = seeds
        self._ranks = ranks
        count, device = len(examples), examples.device
        self._order = torch.empty(count, dtype=torch.int64, device=device)
        self._crops = CropsAndFlips.empty(count, device) if examples.augmentation is not None else None
        self._position = torch.zeros((), dtype=torch.int64, device=device)
        self._within_batch = torch.arange(batch_size, device=device)
        self._expected: tuple[int, int] | None = None

    def make_ready(self, epoch: int, iteration: int) -> None:
        """Let the batch of an iteration be the next."""
        if self._expected is None or self._expected[0] != epoch:
            self._load(epoch)
        if self._expected != (epoch, iteration):
            self._position.fill_(iteration * self._batch_size)
        self._expected = (epoch, iteration + 1)

    def take(self, size: int) -> Batch:
        """Return this process's part of the next batch, which has so many examples, and go on to the one after it."""
        within = self._within_batch[part_of_batch(self._ranks, 0, size)] + self._position
        self._position += self._batch_size
        crops = None if self._crops is None else self._crops.select(within)
        return self._examples.batch(self._order.index_select(0, within), crops)

    def _load(self, epoch: int) -> None:
        order = self._seeds.order(epoch, len(self._examples))
        self._order.copy_(order)
        if self._examples.augmentation is not None and self._crops is not None:
            generator = torch.Generator().manual_seed(self._seeds.augmentation_seed(epoch))
            self._crops.copy_(self._examples.augmentation.draw(len(order), generator).select(order))
