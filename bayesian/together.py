"""Several samples of the weights at a time: side by side in every operation, or each on a stream of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bayesian.adapter import weights_in_place
from bayesian.batchnorm import SampleStatistics
from bayesian.passes import SampledWeights, SampleGradients
from bayesian.posterior import Posterior
from training import Precision

Network = Callable[[Tensor], Tensor]
Forward = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], Tensor]
"""(weights by tensor, BatchNorm's statistics, images) -> logits; of several samples, all but images begin with n."""

Spread = Callable[[Callable[[Network], Forward], nn.Module], Forward]
"""Makes the forward pass of several samples of that of one, which wants to know how to call the network."""


def side_by_side(one: Callable[[Network], Forward], model: nn.Module) -> Forward:
    """Do every operation for all samples at once: convolutions have a group for each, matrices become batches.

    Features stay channels_last if images and weights are. What cannot be done so, such as drawing random numbers, which
    would be others than in a pass for each sample, raises a RuntimeError.
    """
    batched: Forward = torch.vmap(one(model.forward), in_dims=(0, 0, None))
    return batched


def on_streams(one: Callable[[Network], Forward], model: nn.Module) -> Forward:
    """Do the passes of the samples at the same time, each on a stream of a GPU; elsewhere, in turn."""
    forward, streams = one(model), list[torch.cuda.Stream]()

    def each(weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor) -> Tensor:
        logits = []
        while images.is_cuda and len(streams) < len(weights[0]):
            streams.append(torch.cuda.Stream(images.device))
        for sample in range(len(weights[0])):
            with _following(streams[sample] if images.is_cuda else None):
                logits.append(forward([w[sample] for w in weights], [s[sample] for s in statistics], images))
        for stream in streams[: len(logits)]:
            torch.cuda.current_stream(stream.device).wait_stream(stream)
        return torch.stack(logits)

    return each


@contextmanager
def _following(stream: torch.cuda.Stream | None) -> Iterator[None]:
    """Compute on a stream, once all is done that the current one has been given so far."""
    if stream is not None:
        stream.wait_stream(torch.cuda.current_stream(stream.device))
    with torch.cuda.stream(stream):
        yield


class Together:
    """Several samples at a time, each with weights of its own in memory, and one backward pass for all of them.

    The running statistics of BatchNorm change as if the samples had come one after another.

    Args:
        at_once: how many samples go together at most.
        spread: in which way.
        compiled: compiles a forward pass, or leaves it as it is.
    """

    def __init__(
        self,
        model: nn.Module,
        posterior: Posterior,
        precision: Precision,
        at_once: int,
        spread: Spread,
        compiled: Callable[[Forward], Forward],
    ) -> None:
        self.at_once = at_once
        self._posterior = posterior
        self._precision = precision
        self._statistics = SampleStatistics(model, at_once)
        self._memory = posterior.memory(at_once)
        self._weights: list[Tensor] = []
        self._noise: Tensor | None = None
        self._side_by_side = spread is side_by_side
        self._plain = spread(self._one, model)
        self._forward = compiled(self._plain)

    def logits(self, images: Tensor, weights: SampledWeights) -> Tensor:
        """Return the logits (n, B, classes) under several samples."""
        self._noise = torch.stack(list(weights.noise))
        count = len(self._noise)
        self._weights = [memory[:count] for memory in self._memory]
        sampled = torch.addcmul(weights.mean, weights.std, self._noise)  # (n, size)
        torch._foreach_copy_(self._weights, self._posterior.split(sampled))
        # Each tensor is a leaf of its own, so that autograd need not put the gradients together again.
        self._weights = [weight.detach().requires_grad_() for weight in self._weights]
        with self._settled():
            found = self._pass(self._forward, self._weights, images)
        self._statistics.follow(count)
        return found.float()

    def add_gradients(self, gradients: SampleGradients) -> None:
        """Add the samples' gradients."""
        assert self._noise is not None
        found = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self._weights]
        gradients.add_several(self._posterior.join(found), self._noise)

    def obstacle(self, images: Tensor) -> str:
        """Return why samples of this network cannot go together, or nothing; two images are tried, to no effect."""
        for dtype in self._precisions(images.device):
            self._memory = self._posterior.memory(self.at_once, dtype)
            weights = [memory[:1].detach().requires_grad_() for memory in self._memory]
            try:
                with torch.enable_grad(), self._settled(), self._statistics.used_once():
                    logits = self._pass(self._plain, weights, images[:2])
                torch.autograd.grad(logits.float().sum(), weights, allow_unused=True)
                return ""
            except (RuntimeError, AssertionError) as error:
                random = "random operation" in str(error)
                reason = "its layers draw random numbers" if random else str(error).partition("\n")[0]
        return reason

    def _precisions(self, device: torch.device) -> list[torch.dtype | None]:
        """Return in which precisions the weights may lie, the best first; None is that of the means.

        To autocast batched layers are opaque: biases are added outside. So weights and images are cast beforehand,
        unless a convolution gets features that a layer before it has in single precision.
        """
        with self._precision.autocast():
            cast = torch.is_autocast_enabled(device.type)
            return [torch.get_autocast_dtype(device.type), None] if cast else [None]

    def _pass(self, forward: Forward, weights: Sequence[Tensor], images: Tensor) -> Tensor:
        if weights[0].dtype != self._posterior.tensors[0].mean.dtype:
            images = images.to(weights[0].dtype)
        return forward(weights, self._statistics.of(len(weights[0])), images)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        with self._precision.autocast(), self._statistics.kept_apart(self._side_by_side), warnings.catch_warnings():
            # Operations for which torch has no batched form are done sample by sample, as they would be anyway.
            warnings.filterwarnings("ignore", "There is a performance drop")
            yield

    def _one(self, network: Network) -> Forward:
        def forward(weights: Sequence[Tensor], statistics: Sequence[Tensor], images: Tensor) -> Tensor:
            with weights_in_place(self._posterior.tensors, weights), self._statistics.in_place(statistics):
                return network(images)

        return forward
