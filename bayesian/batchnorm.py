"""BatchNorm under sampled weights: which statistics a sample is evaluated with."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
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
        # Those in evaluation mode are frozen: they normalise by what they have, and note nothing.
        self._layers = [layer for layer in batchnorm_layers(model) if layer.track_running_stats and layer.training]
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
    def kept_apart(self, side_by_side: bool) -> Iterator[None]:
        """Let a layer's statistics be those of its latest batch, as long as the block lasts.

        Args:
            side_by_side: whether that of several samples will be normalised at once.
        """
        momenta = [layer.momentum for layer in self._layers]
        changed = [layer for layer in self._layers if side_by_side and _is_plain(layer)]
        try:
            for layer in self._layers:
                layer.momentum = 1.0
            for layer in changed:
                layer.__dict__["forward"] = functools.partial(_normalise, layer)
            yield
        finally:
            for layer in changed:
                del layer.__dict__["forward"]
            for layer, momentum in zip(self._layers, momenta, strict=True):
                layer.momentum = momentum

    @contextmanager
    def used_once(self) -> Iterator[None]:
        """Refuse a network that goes through a layer twice: whose statistics the later ones replace.

        Raises:
            RuntimeError: when the block ends.
        """
        uses: Counter[nn.Module] = Counter()
        hooks = [layer.register_forward_pre_hook(lambda layer, _: uses.update([layer])) for layer in self._layers]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        if any(count > 1 for count in uses.values()):
            raise RuntimeError("a BatchNorm layer is used twice in one pass")

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


def _is_plain(layer: _BatchNorm) -> bool:
    return type(layer).forward is _BatchNorm.forward and "forward" not in vars(layer)


def _normalise(layer: _BatchNorm, features: Tensor) -> Tensor:
    """Return features of samples side by side, normalised by each sample's own statistics, and note these."""
    mean, variance = _running(layer)
    if torch.compiler.is_compiling():  # which knows of no function's own
        return _in_plain_operations(layer, features)
    normalised: Tensor = _Normalisation.apply(features, mean, variance, layer.weight, layer.bias, layer.eps)
    return normalised


def _in_plain_operations(layer: _BatchNorm, features: Tensor) -> Tensor:
    """Normalise by operations that a compiler fuses; torch's batched form keeps the normalised features besides."""
    others = [dim for dim in range(features.dim()) if dim != 1]
    of_channel = (1, -1, *(1 for _ in others[1:]))
    exact = features.to(torch.promote_types(features.dtype, torch.float32))
    variance, mean = torch.var_mean(exact, others, correction=0)
    examples = features.numel() // features.shape[1]
    with torch.no_grad():
        running_mean, running_variance = _running(layer)
        running_mean.copy_(mean.detach())
        running_variance.copy_(variance.detach() * (examples / (examples - 1)))
    scale = torch.rsqrt(variance + layer.eps)
    if layer.weight is not None:
        scale = scale * layer.weight
    shift = -mean * scale
    if layer.bias is not None:
        shift = shift + layer.bias
    return (exact * scale.view(of_channel) + shift.view(of_channel)).to(features.dtype)


class _Normalisation(torch.autograd.Function):
    """BatchNorm in training, to which the channels of all samples are those of one network.

    torch's own batched form multiplies by the weight and adds the bias afterwards, in single precision, and on a GPU
    refuses features in channels_last where cuDNN would do the rest.
    """

    @staticmethod
    def forward(features: Tensor, *others: Any) -> Tensor:  # torch wants one; of a single sample it is the layer's own
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: the batched form is made of operations that have gradients."""

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], features: Tensor, *others: Any) -> tuple[Tensor, int]:
        """Return the features of all samples, (B, n, C, ...), and which of their dimensions is n."""
        samples, dim = info.batch_size, in_dims[0]
        if dim is None:  # the images themselves
            features, dim = features.expand(samples, *features.shape), 0
        of_all = (_of_all(one, dim, samples) for one, dim in zip(others[:4], in_dims[1:5], strict=True))
        mean, variance, weight, bias = of_all
        together = features.movedim(dim, 1).flatten(1, 2)
        found = F.batch_norm(together, mean, variance, weight, bias, training=True, momentum=1.0, eps=others[4])
        return found.unflatten(1, (samples, -1)), 1


def _of_all(channels: Tensor | None, dim: int | None, samples: int) -> Tensor | None:
    """Return numbers of the channels of all samples; memory that is to be written to stays what it is."""
    if channels is None:
        return None
    return channels.repeat(samples) if dim is None else channels.movedim(dim, 0).flatten()


def _running(layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    assert layer.running_mean is not None and layer.running_var is not None
    return layer.running_mean, layer.running_var
