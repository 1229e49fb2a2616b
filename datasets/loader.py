"""Batches for training and for evaluation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol

import torch

from datasets.augmentation import Augmentation, Normalization
from datasets.batches import Batch, DeviceBatches, DeviceExamples
from datasets.epoch_streams import EpochStreams, fixed_order, own_batches
from datasets.source import LabelledImages
from datasets.transforms import NUM_ROTATIONS
from foundations.ranks import Ranks


class Batches(Protocol):
    """Training batches, one epoch after another, in the order in which training wants them.

    Attributes:
        stay_in_place: whether `take` is the same work on the same memory every time, which a GPU can replay.
    """

    stay_in_place: bool

    def make_ready(self, epoch: int, iteration: int) -> None:
        """Do what the host has to do before the batch of an iteration can be taken."""
        ...

    def take(self, size: int) -> Batch:
        """Return this process's part of the batch that was made ready, and go on to the next.

        Args:
            size: its examples, those of all processes together.
        """
        ...


class Loader(ABC):
    """Training batches, or what falls to one of the processes that share them.

    Of a batch with fewer examples than there are processes, those left over get one all the same: it counts nothing
    (`share_of_batch`).

    Attributes:
        num_examples: training examples, after subsampling.
        batch_size: examples in a batch; an epoch's last one may be smaller.
        num_classes: the number of classes.
    """

    num_examples: int
    batch_size: int
    num_classes: int

    @property
    def iterations_per_epoch(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.num_examples / self.batch_size)

    def size_of_batch(self, iteration: int) -> int:
        """Return the examples in an epoch's batch, those of all processes together."""
        return min(self.batch_size, self.num_examples - iteration * self.batch_size)

    @abstractmethod
    def batches(self) -> Batches:
        """Return the batches of any epoch.

        The same epoch has the same ones, whatever was drawn before: training that resumes sees what training without a
        break would have seen.
        """

    @abstractmethod
    def first_examples(self, count: int) -> Iterator[Batch]:
        """Iterate over batches of the first `count` training examples of a fixed random order, not augmented."""

    def epoch(self, number: int, first_iteration: int = 0) -> Iterator[Batch]:
        """Iterate over this process's part of an epoch's batches, from an iteration on."""
        batches = self.batches()
        for iteration in range(first_iteration, self.iterations_per_epoch):
            batches.make_ready(number, iteration)
            yield batches.take(self.size_of_batch(iteration))


class EvaluationLoader(Protocol):
    """Batches that do not vary: every example once, in order, not augmented.

    Processes share whole batches, a run of them each, so that what a batch holds does not depend on how many there are.

    Attributes:
        num_examples: the number of examples.
        own_examples: those in this process's batches; if that is 0, it gets the first batch all the same, to take
            part in every exchange.
        labels: int64, those of this process's batches.
        batch_size: examples in a batch, which no setting changes.
        num_classes: the number of classes.
        stay_in_place: whether iterating is the same work on the same memory every time, which a GPU can replay.
    """

    num_examples: int
    own_examples: int
    labels: torch.Tensor
    batch_size: int
    num_classes: int
    stay_in_place: bool

    def __iter__(self) -> Iterator[Batch]: ...


def _laid_out(examples: LabelledImages, normalization: Normalization) -> torch.Tensor:
    """Return the images in the layout that batches are to have: bytes are moved once, and not again for every batch."""
    return examples.images.contiguous(memory_format=normalization.memory_format)


class DeviceLoader(Loader):
    """Training batches of a data set that lies on the device as bytes and is augmented there.

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
        images = _laid_out(examples, normalization)
        self._examples = DeviceExamples(images, examples.labels, normalization, augmentation, rotations)
        self._seeds = seeds
        self._ranks = ranks or Ranks()

    def batches(self) -> DeviceBatches:
        """Return the batches of any epoch."""
        return DeviceBatches(self._examples, self.batch_size, self._seeds, self._ranks)

    def first_examples(self, count: int) -> Iterator[Batch]:
        """Iterate over batches of the first `count` examples of a fixed random order, not augmented."""
        order = fixed_order(self.num_examples)[:count].to(self._examples.device)
        for chosen in order.split(self.batch_size):
            yield self._examples.batch(chosen, None)


class DeviceEvaluationLoader:
    """Every example once, in order, from bytes on the device.

    Args:
        examples: on the device, turned already where the task is to recognise rotations.
        num_classes: the number of classes.
        batch_size: examples in a batch.
        normalization: from bytes to what the network sees.
        ranks: the processes that share the batches; None for this one alone.
    """

    stay_in_place = True

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
        self.labels = self._labels[self._starts[0] : self._starts[-1] + batch_size]
        self._normalization = normalization

    def __iter__(self) -> Iterator[Batch]:
        for start in self._starts:
            chosen = slice(start, start + self.batch_size)
            yield self._normalization(self._images[chosen]), self._labels[chosen]
