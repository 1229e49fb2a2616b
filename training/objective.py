"""What training minimises."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.hparams import Hparams
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.registry import Registry
from foundations.step import Step
from training.precision import Precision
from training.team import GradientExchange

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Returns the scalar loss of images (B, C, H, W) and labels (B,) under a network: a mean over the examples.

Penalties on the weights may be added. The network is in training mode, and is called with the images; what its first
call returns are the logits (B, classes) of which the accuracy is logged.
"""

OBJECTIVES: Registry[Callable[..., Tensor]] = Registry("objective")
"""Losses; one that takes a fourth argument is given the `TrainingHparams`."""

_WITHOUT_HPARAMS = 3
"""Arguments of a loss that does not ask for the hyperparameters."""


def loss_of(name: str, hparams: Hparams) -> Loss:
    """Return the loss of a name, for a training by these hyperparameters.

    Raises:
        InvalidValue: if there is none.
    """
    loss = OBJECTIVES.get(name)
    if len(inspect.signature(loss).parameters) == _WITHOUT_HPARAMS:
        return loss
    return lambda model, images, labels: loss(model, images, labels, hparams)


CROSS_ENTROPY = "cross_entropy"


@OBJECTIVES.register(CROSS_ENTROPY)
def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log likelihood of the labels."""
    return F.cross_entropy(model(images), labels)


class Objective(Protocol):
    """What finds its own gradient, so that a network may need more than one pass for it."""

    def backward(self, images: Tensor, labels: Tensor, step: Step) -> dict[str, Tensor]:
        """Add the gradient of the batch's loss to the parameters' gradients.

        Where several processes share a batch, each finds that of its part, and the loop adds them up.

        Args:
            images: (B, C, H, W) on the network's device.
            labels: (B,) class indices.
            step: the step that this batch belongs to, for whatever is drawn.

        Returns:
            Detached scalars on the device, `loss` and `accuracy` among them.
        """
        ...


class RepeatableObjective(ABC):
    """An objective that does the same work on the device at every step, so that a GPU can record it and replay it.

    What differs from step to step is done on the host in `prepare`, which is never recorded. What `add_gradient` draws
    comes from torch's default generators, which are seeded at every step, or from `generators`.
    """

    generators: Sequence[torch.Generator] = ()
    """Those that `prepare` seeds for each step."""
    varies: str = ""
    """Why the work is not the same at every step after all, if it is not."""

    def prepare(self, step: Step) -> None:  # noqa: B027 - most have nothing to prepare
        """Do what differs from step to step."""

    @abstractmethod
    def add_gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Add the gradient of the loss of a batch, for the step that has been prepared; see `Objective.backward`."""

    def backward(self, images: Tensor, labels: Tensor, step: Step) -> dict[str, Tensor]:
        """Add the gradient of the loss of a step's batch."""
        self.prepare(step)
        return self.add_gradient(images, labels)


def as_it_is(function: Any) -> Any:
    """Return a function that is not to be compiled."""
    return function


@dataclass(frozen=True)
class TrainingCircumstances:
    """What an objective may need to know of the run it serves.

    Args:
        num_examples: the number of training examples.
        steps: how many steps training takes from its start to its end.
        streams: where anything random comes from; processes that share examples may have streams of their own.
        exchange: what adds up the gradients of the processes that train the run together.
        sample_ranks: the processes that share the samples that a stochastic network draws for a batch.
        loss: the loss that `--objective` chose.
        samples_at_once: how many samples of a stochastic network may go through it together; None leaves that to it.
        compiled: compiles a function of tensors, or leaves it as it is, as the run wants it.
    """

    num_examples: int
    streams: RandomStreams
    precision: Precision
    exchange: GradientExchange = field(default_factory=lambda: GradientExchange(Ranks()))
    sample_ranks: Ranks = field(default_factory=Ranks)
    loss: Loss = cross_entropy
    samples_at_once: int | None = None
    compiled: Callable[[Any], Any] = as_it_is
    steps: int = 1


class LossObjective(RepeatableObjective):
    """A loss, minimised by one backward pass through what the network computed for it."""

    def __init__(self, model: nn.Module, circumstances: TrainingCircumstances) -> None:
        self._network = _Recorded(model)
        self._loss = circumstances.loss
        self._precision = circumstances.precision

    def add_gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Add the gradient of the loss."""
        self._network.logits = None
        with self._precision.autocast():
            loss = self._loss(self._network, images, labels)
        self._precision.scale(loss).backward()
        logits = self._network.logits
        assert logits is not None, "a loss has to call the network"
        return {"loss": loss.detach(), "accuracy": accuracy(logits, labels)}


class _Recorded(nn.Module):
    """A network with the layers and parameters of another, which keeps what its first call returned."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._modules, self._parameters, self._buffers = model._modules, model._parameters, model._buffers
        self._passes: Callable[[Tensor], Tensor] = model.__call__  # which is no layer
        self.logits: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        logits = self._passes(images)
        if self.logits is None:
            self.logits = logits.detach()
        return logits


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of rows of (B, classes) whose greatest entry is the label's, as a scalar on the device."""
    return (scores.argmax(dim=1) == labels).to(torch.float32).mean()
