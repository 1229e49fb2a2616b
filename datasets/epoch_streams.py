"""The order of the examples in an epoch, the seeds of what happens to them, and which of them each process gets."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from foundations.randomness import RandomStreams, derive_seed
from foundations.ranks import Ranks


@dataclass(frozen=True)
class EpochStreams:
    """Where an epoch's random numbers come from.

    Args:
        streams: the run's random streams.
        data_order_seed: if given, the order of the examples depends on it and the epoch alone.
        transformation_seed: if given, augmentation depends on it and the epoch alone.
    """

    streams: RandomStreams
    data_order_seed: int | None = None
    transformation_seed: int | None = None

    def _seed(self, purpose: str, override: int | None, epoch: int) -> int:
        return self.streams.seed(purpose, epoch) if override is None else derive_seed(purpose, override, epoch)

    def order(self, epoch: int, count: int) -> torch.Tensor:
        """Return an epoch's order of `count` examples: int64, on the CPU."""
        generator = torch.Generator().manual_seed(self._seed("data_order", self.data_order_seed, epoch))
        return torch.randperm(count, generator=generator)

    def augmentation_seed(self, epoch: int) -> int:
        """Return the seed of an epoch's augmentation."""
        return self._seed("augmentation", self.transformation_seed, epoch)


def fixed_order(count: int) -> torch.Tensor:
    """Return one random order of `count` examples that never changes: int64, on the CPU."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed("first_examples")))


def part_of_batch(ranks: Ranks, start: int, stop: int) -> slice:
    """Return which of the examples from `start` to `stop` a process gets: its part, or the first if that is empty."""
    part = ranks.part(stop - start)
    return slice(start + part.start, start + part.stop) if part.start < part.stop else slice(start, start + 1)


def own_batches(ranks: Ranks, num_examples: int, batch_size: int) -> tuple[range, int]:
    """Return where a process's evaluation batches begin, and how many examples there are that nobody else has."""
    starts = range(0, num_examples, batch_size)
    own = starts[ranks.part(len(starts))]
    return (own, min(own[-1] + batch_size, num_examples) - own[0]) if own else (starts[:1], 0)


def share_of_batch(ranks: Ranks, size: int) -> float:
    """Return the fraction of a batch's examples that is a process's part; all of them together have 1."""
    part = ranks.part(size)
    return float(part.stop - part.start) / size
