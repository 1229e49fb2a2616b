"""BatchNorm under sampled weights: which statistics a sample is evaluated with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training import batchnorm_layers


def use_batch_statistics(model: nn.Module) -> None:
    """Normalise every batch by its own statistics: a prediction then depends on what else is in the batch."""
    for layer in batchnorm_layers(model):
        layer.train()


class SampleStatistics:
    """The batch statistics of samples that go through the network together, kept apart until they have.

    Args:
        samples: how many go together at most.

    Raises:
        ValueError: if a layer averages over all batches there ever were (momentum None): then samples count batches.
    """

    def __init__(self, model: nn.Module, samples: int) -> None:
        self._layers = [layer for layer in batchnorm_layers(model) if layer.track_running_stats]
        if any(layer.momentum is None for layer in self._layers):
            raise ValueError("a BatchNorm layer without momentum counts its batches")
        self._memory = [
            torch.zeros(samples, layer.num_features, device=running.device, dtype=running.dtype)
            for layer in self._layers
            for running in _running(layer)
        ]

    def of(self, samples: int) -> list[Tensor]:
        """Return the memory of some samples' statistics, (n, channels), a mean and a variance for each layer."""
        return [memory[:samples] for memory in self._memory]

    @contextmanager
    def kept_apart(self) -> Iterator[None]:
        """Let a layer's statistics be those of its latest batch, as long as the block lasts."""
        momenta = [layer.momentum for layer in self._layers]
        try:
            for layer in self._layers:
                layer.momentum = 1.0
            yield
        finally:
            for layer, momentum in zip(self._layers, momenta, strict=True):
                layer.momentum = momentum

    @contextmanager
    def in_place(self, statistics: Sequence[Tensor]) -> Iterator[None]:
        """Let the layers write one sample's statistics to these tensors (channels,), as long as the block lasts."""
        kept = [(*_running(layer), layer.num_batches_tracked) for layer in self._layers]
        try:
            for layer, mean, variance in zip(self._layers, statistics[::2], statistics[1::2], strict=True):
                layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, None
            yield
        finally:
            for layer, (mean, variance, counter) in zip(self._layers, kept, strict=True):
                layer.running_mean, layer.running_var, layer.num_batches_tracked = mean, variance, counter

    @torch.no_grad()
    def follow(self, samples: int) -> None:
        """Let the running statistics follow, as if the samples had come one after another."""
        by_momentum: dict[float, tuple[list[Tensor], list[Tensor]]] = {}
        for layer, mean, variance in zip(self._layers, self._memory[::2], self._memory[1::2], strict=True):
            assert layer.momentum is not None
            running, found = by_momentum.setdefault(layer.momentum, ([], []))
            running += _running(layer)
            found += [mean, variance]
        for momentum, (running, found) in by_momentum.items():
            for sample in range(samples):
                torch._foreach_lerp_(running, [one[sample] for one in found], momentum)
        if self._layers:
            counters = [layer.num_batches_tracked for layer in self._layers if layer.num_batches_tracked is not None]
            torch._foreach_add_(counters, samples)


def _running(layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    assert layer.running_mean is not None and layer.running_var is not None
    return layer.running_mean, layer.running_var
