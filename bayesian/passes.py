"""How a batch goes through the network under the samples of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from bayesian.adapter import linear_outputs_sampled, weights_in_place
from bayesian.posterior import Posterior
from training import Precision


class SampleGradients:
    """Sums, over samples, of the gradients of the sampled weights' means and stds: vectors of all weights."""

    def __init__(self, posterior: Posterior, like: Tensor) -> None:
        self._posterior = posterior
        self.of_mean, self.of_std = torch.zeros_like(like), torch.zeros_like(like)
        self._means, self._stds = posterior.split(self.of_mean), posterior.split(self.of_std)

    def add(self, found: Sequence[Tensor | None], noise: Tensor) -> None:
        """Add one sample's, by tensor, which came by this noise (size,); a tensor that no layer used has none."""
        parts = zip(self._means, self._stds, found, self._posterior.split(noise), strict=True)
        used = [(mean, std, gradient, part) for mean, std, gradient, part in parts if gradient is not None]
        if used:
            means, stds, gradients, noises = zip(*used, strict=True)
            torch._foreach_add_(means, gradients)
            torch._foreach_addcmul_(stds, gradients, noises)

    def add_several(self, found: Tensor, noise: Tensor) -> None:
        """Add those of several samples, (n, size), which came by this noise, (n, size)."""
        found = found.to(self.of_mean.dtype)  # all at once, where weights are cast for half precision
        self.of_mean += found.sum(dim=0)
        self.of_std += (found * noise).sum(dim=0)


class SamplePasses(Protocol):
    """Forward passes of a batch under several samples of the weights, after each of which there is a backward pass.

    Attributes:
        at_once: how many samples go together, so that all their activations are in memory.
    """

    at_once: int

    def logits(self, images: Tensor, weights: SampledWeights) -> Tensor:
        """Return the logits (n, B, classes), in float32, under up to `at_once` samples."""
        ...

    def add_gradients(self, gradients: SampleGradients) -> None:
        """Add what the backward pass has left."""
        ...


class SampledWeights:
    """Some samples of all weights.

    Args:
        mean: of all weights, (size,).
        std: likewise.
        noise: what tells the samples from the mean, in stds, each (size,).
        generator: where noise comes from that layers draw for each example.
    """

    def __init__(self, mean: Tensor, std: Tensor, noise: Sequence[Tensor], generator: torch.Generator) -> None:
        self.mean = mean
        self.std = std
        self.noise = noise
        self.generator = generator


class OneByOne:
    """One sample at a time, in the memory of one.

    Args:
        local: whether Linear layers sample their outputs instead of their weights.
    """

    at_once = 1

    def __init__(self, model: nn.Module, posterior: Posterior, precision: Precision, local: bool) -> None:
        self._model = model
        self._posterior = posterior
        self._precision = precision
        self._local = local
        self._sample = posterior.place()
        # Each tensor is a leaf of its own, so that autograd need not put the gradients together again.
        self._weights = [part.detach().requires_grad_() for part in posterior.split(self._sample)]
        self._noise = self._sample

    def logits(self, images: Tensor, weights: SampledWeights) -> Tensor:
        """Return the logits (1, B, classes) under one sample."""
        for weight in self._weights:
            weight.grad = None
        [self._noise] = weights.noise
        torch.addcmul(weights.mean, weights.std, self._noise, out=self._sample)
        tensors = self._posterior.tensors
        local = linear_outputs_sampled(tensors, weights.generator) if self._local else nullcontext()
        with weights_in_place(tensors, self._weights), self._precision.autocast(), local:
            found: Tensor = self._model(images)
        return found.float()[None]

    def add_gradients(self, gradients: SampleGradients) -> None:
        """Add the sample's gradients."""
        gradients.add([weight.grad for weight in self._weights], self._noise)
