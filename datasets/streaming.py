"""Batches of a data set too big for memory, decoded and cropped by worker processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Sampler

from datasets.augmentation import Normalization
from datasets.batches import Batch
from datasets.epoch_streams import EpochStreams, fixed_order, own_batches, part_of_batch
from datasets.image_files import ImageFiles, Item, Key
from datasets.loader import Loader
from datasets.transforms import rotate
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.interruption import ignore_stop_signals
from foundations.randomness import derive_seed
from foundations.ranks import Ranks


class KeySampler(Sampler[list[Key]]):
    """The batches of a pass: which images, and the seed of each one's crop.

    Args:
        order: int64, the images in their order.
        batch_size: images in a batch.
        seed: the pass's seed, from which each image's is derived; None for the central crops.
        first: the batch to begin with.
        ranks: the processes that share a batch's images; None for this one alone.
    """

    def __init__(
        self,
        order: torch.Tensor,
        batch_size: int,
        seed: int | None = None,
        first: int = 0,
        ranks: Ranks | None = None,
    ) -> None:
        self._order = order
        self._batch_size = batch_size
        self._seed = seed
        self._first = first
        self._ranks = ranks or Ranks()

    def __len__(self) -> int:
        return max(0, math.ceil(len(self._order) / self._batch_size) - self._first)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(self._first * self._batch_size, len(self._order), self._batch_size):
            stop = min(start + self._batch_size, len(self._order))
            indices: list[int] = self._order[part_of_batch(self._ranks, start, stop)].tolist()
            yield [(i, None if self._seed is None else derive_seed(self._seed, i)) for i in indices]


@dataclass(frozen=True)
class Reader:
    """How images get from files to the device.

    Args:
        context: the device and the number of worker processes, neither of which changes a bit of the result.
        normalization: from bytes to what the network sees.
    """

    context: RunContext
    normalization: Normalization

    def read(self, files: ImageFiles, sampler: KeySampler) -> Iterator[Batch]:
        """Iterate over a pass's batches.

        Raises:
            UserError: if a file cannot be read as an image.
        """
        device = self.context.device
        loader: DataLoader[Item] = DataLoader(
            files,
            batch_sampler=sampler,
            num_workers=self.context.num_workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=ignore_stop_signals,
            generator=torch.Generator(),  # else it would draw from the default generator
        )
        for images, labels, reasons in loader:
            if any(reasons):
                raise UserError(next(filter(None, reasons)))
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            yield self.normalization(rotate(images, labels) if files.rotations else images), labels


class StreamingBatches:
    """Training batches of image files; see `Batches`.

    Args:
        epoch: the batches of an epoch, from an iteration on.
    """

    stay_in_place = False

    def __init__(self, epoch: Callable[[int, int], Iterator[Batch]]) -> None:
        self._epoch = epoch
        self._reading: Iterator[Batch] = iter(())
        self._expected: tuple[int, int] | None = None
        self._ready: Batch | None = None

    def make_ready(self, epoch: int, iteration: int) -> None:
        """Wait for the batch of an iteration."""
        if self._expected != (epoch, iteration):
            self._reading = self._epoch(epoch, iteration)
        self._ready, self._expected = next(self._reading), (epoch, iteration + 1)

    def take(self, size: int) -> Batch:
        """Return the batch that was waited for."""
        assert self._ready is not None
        batch, self._ready = self._ready, None
        return batch


class StreamingLoader(Loader):
    """Training batches of image files; see `Loader`.

    Args:
        files: the training images.
        num_classes: the number of classes.
        batch_size: images in a batch.
        reader: how they get to the device.
        augment: whether crops are random and mirrored.
        seeds: where an epoch's random numbers come from.
    """

    def __init__(
        self,
        files: ImageFiles,
        *,
        num_classes: int,
        batch_size: int,
        reader: Reader,
        augment: bool,
        seeds: EpochStreams,
    ) -> None:
        self.num_examples = len(files)
        self.num_classes = num_classes
        self.batch_size = batch_size
        self._files = files
        self._reader = reader
        self._augment = augment
        self._seeds = seeds

    def batches(self) -> StreamingBatches:
        """Return the batches of any epoch."""
        return StreamingBatches(self._read)

    def _read(self, epoch: int, first_iteration: int) -> Iterator[Batch]:
        seed = self._seeds.augmentation_seed(epoch) if self._augment else None
        order = self._seeds.order(epoch, self.num_examples)
        ranks = self._reader.context.example_ranks
        return self._reader.read(self._files, KeySampler(order, self.batch_size, seed, first_iteration, ranks))

    def first_examples(self, count: int) -> Iterator[Batch]:
        """Iterate over batches of the first `count` images of a fixed random order, not augmented."""
        order = fixed_order(self.num_examples)[:count]
        yield from self._reader.read(self._files, KeySampler(order, self.batch_size))


class StreamingEvaluationLoader:
    """Every image once, in order, cropped centrally; see `EvaluationLoader`."""

    stay_in_place = False

    def __init__(self, files: ImageFiles, *, num_classes: int, batch_size: int, reader: Reader) -> None:
        self.num_examples = len(files)
        self.num_classes = num_classes
        self.batch_size = batch_size
        self._starts, self.own_examples = own_batches(reader.context.ranks, self.num_examples, batch_size)
        self.labels = files.labels[self._starts[0] : self._starts[-1] + batch_size]
        self._files = files
        self._reader = reader

    def __iter__(self) -> Iterator[Batch]:
        end = min(self._starts[-1] + self.batch_size, self.num_examples)
        yield from self._reader.read(self._files, KeySampler(torch.arange(self._starts[0], end), self.batch_size))
