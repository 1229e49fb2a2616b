"""Measures of a predictive distribution against the labels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from training.objective import accuracy


def measure(log_probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return every measure of a predictive distribution.

    Args:
        log_probabilities: (N, classes), the log of the predictive distribution.
        labels: (N,) class indices.

    Returns:
        `loss`, the mean negative log likelihood in nats; `accuracy`, a fraction; `examples`, N.
    """
    return {
        "loss": float(F.nll_loss(log_probabilities.double(), labels)),
        "accuracy": float(accuracy(log_probabilities, labels)),
        "examples": float(len(labels)),
    }
