"""Telling examples that are out of distribution from those that are not, by the uncertainty of their predictions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.measures.predictive import entropies

TRUE_POSITIVE_RATE = 0.95
_LEAST_LOG = -1e30


def uncertainty_scores(log_probabilities: Tensor, sample_entropies: Tensor | None = None) -> dict[str, Tensor]:
    r"""Return scores by which an example seems out of distribution, (N,) in float64: the greater, the more so.

    `max_probability` ranks them by the greatest probability (Hendrycks and Gimpel 2017): it is the log of what that one
    leaves to the other classes, which differs even where the probability rounds to 1. `entropy` is the predictive
    distribution's, in nats. `mutual_information` between label and weights (Depeweg et al. 2018, equation 2) is

    .. math:: H\left[\mathbb{E}_w\, p(y \mid x, w)\right] - \mathbb{E}_w H\left[p(y \mid x, w)\right]

    Args:
        log_probabilities: (N, classes), the log of the predictive distribution.
        sample_entropies: (N,), the mean over samples of the weights of the entropy under each; None for a network that
            draws none, which has no mutual information.
    """
    entropy = entropies(log_probabilities)
    scores = {"max_probability": _log_of_the_rest(log_probabilities.double()), "entropy": entropy}
    if sample_entropies is not None:
        scores["mutual_information"] = (entropy - sample_entropies.double()).clamp_min(0.0)  # below 0 by rounding only
    return scores


def _log_of_the_rest(log_probabilities: Tensor) -> Tensor:
    """Return the log of the probability that the most probable class leaves to the others, finite even for none."""
    greatest = log_probabilities.argmax(dim=1, keepdim=True)
    return log_probabilities.scatter(1, greatest, -math.inf).logsumexp(dim=1).clamp_min(_LEAST_LOG)


def detection_measures(inside: Tensor, outside: Tensor) -> dict[str, float]:
    """Return how well a score tells examples out of distribution, the positive class, from those in distribution.

    Args:
        inside: (N,), the scores of examples in distribution.
        outside: (M,), the scores of those out of it; these should be greater.

    Returns:
        `auroc`, the area under the receiver operating characteristic; `aupr`, the average precision; and `fpr95`, the
        least fraction of examples in distribution that are taken for others when 95 % of the others are found.
    """
    from sklearn.metrics import auc, average_precision_score, roc_curve

    is_outside = torch.cat([torch.zeros(len(inside)), torch.ones(len(outside))]).numpy()
    scores = torch.cat([inside, outside]).double().numpy()
    false_positive, true_positive, _ = roc_curve(is_outside, scores, drop_intermediate=False)
    return {
        "auroc": float(auc(false_positive, true_positive)),
        "aupr": float(average_precision_score(is_outside, scores)),
        "fpr95": float(false_positive[(true_positive >= TRUE_POSITIVE_RATE).argmax()]),
    }
