"""What training minimises."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.step import Step
from training.precision import Precision


class Objective(Protocol):
    """A loss that knows how to find its own gradient, so that a network may need more than one pass for it."""

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


class CrossEntropy:
    """The mean negative log likelihood of the labels under one forward pass."""

    def __init__(self, model: nn.Module, precision: Precision) -> None:
        self._model = model
        self._precision = precision

    def backward(self, images: Tensor, labels: Tensor, step: Step) -> dict[str, Tensor]:
        """Add the gradient of the cross-entropy."""
        with self._precision.autocast():
            logits = self._model(images)
            loss = F.cross_entropy(logits, labels)
        self._precision.scale(loss).backward()
        return {"loss": loss.detach(), "accuracy": accuracy(logits.detach(), labels)}


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of rows of (B, classes) whose greatest entry is the label's, as a scalar on the device."""
    return (scores.argmax(dim=1) == labels).to(torch.float32).mean()
