"""The posterior of all weights of a network as two vectors, and samples of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bayesian.adapter import VariationalTensor, memory_of_sample, variational_tensors, weights_in_place


@dataclass(frozen=True)
class Posterior:
    """The mean-field normal distribution of all weights and biases of a converted network.

    A pruned weight has mean 0 and log std -inf, so that it is exactly 0 in every sample.
    """

    tensors: list[VariationalTensor]

    @staticmethod
    def of(model: nn.Module) -> Posterior:
        """Return the posterior of a converted network."""
        return Posterior(variational_tensors(model))

    @property
    def size(self) -> int:
        """The number of random weights."""
        return sum(tensor.mean.numel() for tensor in self.tensors)

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.tensors[0].mean.device

    @torch.no_grad()
    def flat(self) -> tuple[Tensor, Tensor]:
        """Return copies of all means and of all log stds, each (size,)."""
        return self.join([tensor.mean for tensor in self.tensors]), self.join([t.log_std for t in self.tensors])

    def join(self, values: Sequence[Tensor]) -> Tensor:
        """Return values of the tensors' shapes in one vector (size,), or of several samples (n, size); see `split`."""
        several = values[0].shape[: values[0].dim() - self.tensors[0].mean.dim()]
        parts = zip(values, self.tensors, strict=True)
        return torch.cat([_in_memory_order(value, of.mean.dim()).reshape(*several, -1) for value, of in parts], dim=-1)

    def split(self, flat: Tensor) -> list[Tensor]:
        """Return views of a vector (size,), or of several (n, size), with the shapes of the tensors."""
        parts = flat.split([tensor.mean.numel() for tensor in self.tensors], dim=-1)
        return [_shaped(part, tensor.mean.shape) for part, tensor in zip(parts, self.tensors, strict=True)]

    def memory(self, samples: int, dtype: torch.dtype | None = None) -> list[Tensor]:
        """Return zeros for some samples of all weights: by tensor, one sample after another, each as layers want it.

        Args:
            dtype: that of the means, unless another is told.
        """
        sizes = [samples * tensor.mean.numel() for tensor in self.tensors]
        parts = self.place().new_zeros(sum(sizes), dtype=dtype).split(sizes)
        return [_shaped(part.view(samples, -1), t.mean.shape) for part, t in zip(parts, self.tensors, strict=True)]

    @contextmanager
    def weights(self, flat: Tensor) -> Iterator[None]:
        """Make the network use one sample (size,) of all weights inside the block; blocks must not overlap."""
        with weights_in_place(self.tensors, self.split(self.place().copy_(flat))):
            yield

    def place(self) -> Tensor:
        """Return the memory (size,) for the sample in use: always the same.

        A captured graph reads the weights where they lay when it was captured; elsewhere, it is captured anew.
        """
        return memory_of_sample(self.tensors[0], self.size)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return one sample of all weights, (size,), without gradient."""
        mean, log_std = self.flat()
        noise = torch.randn(self.size, generator=generator, device=generator.device, dtype=mean.dtype)
        return torch.addcmul(mean, log_std.exp(), noise)

    def add_gradients(self, mean: Tensor, log_std: Tensor) -> None:
        """Add vectors (size,), which are given away, to the gradients of all trainable means and log stds."""
        for tensor, of_mean, of_log_std in zip(self.tensors, self.split(mean), self.split(log_std), strict=True):
            if tensor.mean.requires_grad:
                _add_gradient(tensor.mean, of_mean)
                _add_gradient(tensor.log_std, of_log_std)


def _in_memory_order(value: Tensor, dimensions: int) -> Tensor:
    """Return a convolution's weights with the channels last: networks lie in memory so, and nothing is rearranged."""
    return value.movedim(-3, -1) if dimensions == 4 else value


def _shaped(part: Tensor, shape: torch.Size) -> Tensor:
    """Return a view of values (..., numel) with a tensor's shape, its channels last in memory."""
    if len(shape) != 4:
        return part.view(*part.shape[:-1], *shape)
    channels_out, channels_in, height, width = shape
    return part.view(*part.shape[:-1], channels_out, height, width, channels_in).movedim(-1, -3)


def _add_gradient(parameter: nn.Parameter, gradient: Tensor) -> None:
    """Add a gradient; like autograd's, it lies in memory as the parameter does, which fused optimisers rely on."""
    if parameter.grad is not None:
        parameter.grad.add_(gradient)
    elif parameter.stride() == gradient.stride():
        parameter.grad = gradient
    else:
        parameter.grad = torch.empty_like(parameter).copy_(gradient)
