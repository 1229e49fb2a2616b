"""What a Bayesian network's training does otherwise on a GPU, done on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import training.optimizers
from bayesian.noise import RecycledNoise


def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fuse optimisers, and copy recycled noise out of its pool, which is then read by the same work at every step."""
    monkeypatch.setattr(training.optimizers, "_all_on_cuda", lambda groups: True)

    def by_copies(self: RecycledNoise, iteration: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        views(self, iteration, generator)
        self._offset.fill_(self._request.streams.seed("recycled_offset", iteration) % self._around)
        return self.copies()

    views = RecycledNoise.__call__
    monkeypatch.setattr(RecycledNoise, "__call__", by_copies)
