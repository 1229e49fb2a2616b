"""Batches for training and for evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import torch

from datasets.augmentation import Augmentation, CropsAndFlips, Normalization, take
from datasets.epoch_streams import EpochStreams, fixed_order
from datasets.sharing import own_batches, part_of_batch
from datasets.source import LabelledImages
from datasets.transforms import NUM_ROTATIONS, rotate
from foundations.ranks import Ranks

Batch = tuple[torch.Tensor, torch.Tensor]
"""Normalised images, float32 (B, C, H, W), and labels, int64 (B,), on the device."""


class Loader(Protocol):
    """Training batches, or what falls to one of the processes that share them.

    Attributes:
        num_examples: training examples, after subsampling.
        batch_size: examples in a batch; an epoch's last one may be smaller.
        num_classes: the number of classes.
        iterations_per_epoch: batches in an epoch.
    """

    num_examples: int
    batch_size: int
    num_classes: int
    iterations_per_epoch: int

    def epoch(self, number: int, first_iteration: int = 0) -> Iterator[Batch]:
        """Iterate over this process's part of an epoch's batches, in that epoch's order, from an iteration on.

        Of a batch with fewer examples than there are processes, those left over get one all the same: it counts
        nothing (`share_of_batch`).
        The same epoch has the same batches, whatever was drawn before: training that resumes sees what
        training without a break would have seen.
        """
        ...

    def first_examples(self, count: int) -> Iterator[Batch]:
        """Iterate over batches of the first `count` training examples of a fixed random order, not augmented."""
        ...


class EvaluationLoader(Protocol):
    """Batches that do not vary: every example once, in order, not augmented.

    Processes share whole batches, a run of them each, so that what a batch holds does not depend on how many there are.

    Attributes:
        num_examples: the number of examples.
        own_examples: those in this process's batches; if that is 0, it gets the first batch all the same, to take
            part in every exchange.
        batch_size: examples in a batch, which no setting changes.
        num_classes: the number of classes.
    """

    num_examples: int
    own_examples: int
    batch_size: int
    num_classes: int

    def __iter__(self) -> Iterator[Batch]: ...


def _laid_out(examples: LabelledImages, normalization: Normalization) -> torch.Tensor:
    """Return the images in the layout that batches are to have: bytes are moved once, and not again for every batch."""
    return examples.images.contiguous(memory_format=normalization.memory_format)


class DeviceLoader:
    """Training batches of a data set that lies on the device as bytes and is augmented there.

    The device waits for the host once an epoch, when the epoch's random numbers move there.

    Args:
        examples: the training examples, on the device.
        num_classes: the number of classes.
        batch_size: examples in a batch.
        normalization: from bytes to what the network sees.
        augmentation: how images are varied; None for not at all.
        seeds: where an epoch's random numbers come from.
        rotations: whether labels are quarter turns (0 to 3), by which images are turned after augmentation.
        ranks: the processes that share a batch's examples; None for this one alone.
    """

    def __init__(
        self,
        examples: LabelledImages,
        *,
        num_classes: int,
        batch_size: int,
        normalization: Normalization,
        augmentation: Augmentation | None,
        seeds: EpochStreams,
        rotations: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        self.num_examples = len(examples)
        self.num_classes = NUM_ROTATIONS if rotations else num_classes
        self.batch_size = batch_size
        self.iterations_per_epoch = math.ceil(self.num_examples / batch_size)
        self._images, self._labels = _laid_out(examples, normalization), examples.labels
        self._normalization = normalization
        self._augmentation = augmentation
        self._seeds = seeds
        self._rotations = rotations
        self._ranks = ranks or Ranks()

    def epoch(self, number: int, first_iteration: int = 0) -> Iterator[Batch]:
        """Iterate over an epoch's batches from an iteration on."""
        order = self._seeds.order(number, self.num_examples)
        crops = None
        if self._augmentation is not None:
            generator = torch.Generator().manual_seed(self._seeds.augmentation_seed(number))
            crops = self._augmentation.draw(self.num_examples, generator).select(order).to(self._device)
        yield from self._batches(order, crops, first_iteration, self._ranks)

    def first_examples(self, count: int) -> Iterator[Batch]:
        """Iterate over batches of the first `count` examples of a fixed random order, not augmented."""
        yield from self._batches(fixed_order(self.num_examples)[:count], None, 0, Ranks())

    @property
    def _device(self) -> torch.device:
        return self._images.device

    def _batches(self, order: torch.Tensor, crops: CropsAndFlips | None, first: int, ranks: Ranks) -> Iterator[Batch]:
        order = order.to(self._device)
        for start in range(first * self.batch_size, len(order), self.batch_size):
            chosen = part_of_batch(ranks, start, min(start + self.batch_size, len(order)))
            images, labels = take(self._images, order[chosen]), self._labels[order[chosen]]
            if self._augmentation is not None and crops is not None:
                images = self._augmentation.apply(images, crops.select(chosen))
            if self._rotations:
                images = rotate(images, labels)
            yield self._normalization(images), labels


class DeviceEvaluationLoader:
    """Every example once, in order, from bytes on the device.

    Args:
        examples: on the device, turned already where the task is to recognise rotations.
        num_classes: the number of classes.
        batch_size: examples in a batch.
        normalization: from bytes to what the network sees.
        ranks: the processes that share the batches; None for this one alone.
    """

    def __init__(
        self,
        examples: LabelledImages,
        *,
        num_classes: int,
        batch_size: int,
        normalization: Normalization,
        ranks: Ranks | None = None,
    ) -> None:
        self.num_examples = len(examples)
        self.num_classes = num_classes
        self.batch_size = batch_size
        self._starts, self.own_examples = own_batches(ranks or Ranks(), self.num_examples, batch_size)
        self._images, self._labels = _laid_out(examples, normalization), examples.labels
        self._normalization = normalization

    def __iter__(self) -> Iterator[Batch]:
        for start in self._starts:
            chosen = slice(start, start + self.batch_size)
            yield self._normalization(self._images[chosen]), self._labels[chosen]
