"""Predictive distributions: class probabilities averaged over samples of a network, or over networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from training.measures import entropies


@dataclass(frozen=True)
class Prediction:
    """What is predicted for N images.

    Args:
        log_probabilities: (N, classes), the log of the predictive distribution.
        sample_entropies: (N,), the mean over samples of the entropy of each one's distribution, in nats; None if there
            is one sample alone. Less than the entropy of the predictive distribution, it says what samples disagree on.
    """

    log_probabilities: Tensor
    sample_entropies: Tensor | None = None


def average(predictions: Iterable[Prediction]) -> Prediction:
    """Return the average of several predictions, with equal weights, in memory for one of them and the result.

    One prediction alone is returned as it is.
    """
    iterator = iter(predictions)
    first = next(iterator)
    total, within, count = first.log_probabilities, _sample_entropies(first), 1
    for one in iterator:
        total, count = torch.logaddexp(total, one.log_probabilities), count + 1
        within = within + _sample_entropies(one)
    return first if count == 1 else Prediction(total - math.log(count), within / count)


def _sample_entropies(prediction: Prediction) -> Tensor:
    kept = prediction.sample_entropies
    return entropies(prediction.log_probabilities) if kept is None else kept
