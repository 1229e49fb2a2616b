"""The order of the examples, and the seeds of what happens to them, in an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from foundations.randomness import RandomStreams, derive_seed


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
