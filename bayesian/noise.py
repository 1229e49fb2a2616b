"""The standard normal noise behind samples of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from foundations.randomness import RandomStreams

_LEAST_BLOCK = 1 << 16


@dataclass(frozen=True)
class NoiseRequest:
    """The noise that a training run needs.

    Args:
        samples: vectors for each batch.
        size: the length of each.
        streams: the run's random streams.
        device: where the vectors are needed.
    """

    samples: int
    size: int
    streams: RandomStreams
    device: torch.device


def independent_noise(request: NoiseRequest) -> Callable[[int, torch.Generator], Iterator[Tensor]]:
    """Draw every sample of all weights independently (Blundell et al. 2015; paper section 4)."""

    def draw(iteration: int, generator: torch.Generator) -> Iterator[Tensor]:
        for _ in range(request.samples):
            yield torch.randn(request.size, generator=generator, device=generator.device)

    return draw


def antithetic_noise(request: NoiseRequest) -> Callable[[int, torch.Generator], Iterator[Tensor]]:
    """Draw samples in pairs of opposite noise: unbiased, and what is linear in the noise cancels."""

    def draw(iteration: int, generator: torch.Generator) -> Iterator[Tensor]:
        for _ in range(request.samples // 2):
            noise = torch.randn(request.size, generator=generator, device=generator.device)
            yield noise
            yield -noise

    return draw


class RecycledNoise:
    """Independent noise within a batch, cut out of a pool of numbers of which a part is replaced before each batch.

    Drawing normal numbers is a fifth of a training step where weights are used but once for each image, as in fully
    connected networks. Here as many are drawn for a batch as for one sample, and each serves once in as many batches as
    there are samples, every time at another weight. So a batch's samples are distributed as if they were drawn
    anew, whereas successive batches are no longer independent of each other. The pool holds a vector for each sample.
    What it holds at an iteration depends on the iteration alone.
    """

    def __init__(self, request: NoiseRequest) -> None:
        self._request = request
        self._block = max(request.size, _LEAST_BLOCK)
        self._around = request.samples * self._block
        # One more block repeats the first, so that every window is contiguous.
        self._pool = torch.empty(self._around + self._block, device=request.device)
        self._iteration: int | None = None
        self._offset = torch.zeros((), dtype=torch.int64, device=request.device)

    def __call__(self, iteration: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Return the noise, which holds until the next iteration's is asked for."""
        self._advance(iteration)
        offset = self._request.streams.seed("recycled_offset", iteration) % self._around
        if self._request.device.type == "cpu":
            return self.views(offset)
        self._offset.fill_(offset)
        return self.copies()

    def views(self, offset: int) -> Iterator[Tensor]:
        """Yield the windows of the pool that begin at an offset: other views at each."""
        for sample in range(self._request.samples):
            start = (offset + sample * self._block) % self._around
            yield self._pool[start : start + self._request.size]

    def copies(self) -> Iterator[Tensor]:
        """Yield copies of the windows, by the same work at any offset: where they begin, the device knows."""
        within = torch.arange(self._request.size, device=self._request.device)
        for sample in range(self._request.samples):
            start = (self._offset + sample * self._block) % self._around
            yield self._pool.index_select(0, within + start)

    def _advance(self, iteration: int) -> None:
        if iteration == self._iteration:
            return
        fresh = self._request.samples if self._iteration != iteration - 1 else 1
        for drawn_at in range(iteration - fresh + 1, iteration + 1):
            number = drawn_at % self._request.samples
            block = self._pool[number * self._block :][: self._block]
            generator = self._request.streams.generator("recycled_noise", drawn_at, device=self._request.device)
            block.normal_(generator=generator)
            if number == 0:
                self._pool[-self._block :] = block
        self._iteration = iteration
