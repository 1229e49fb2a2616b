"""How good predictions are if a network may abstain from those that it trusts least."""

from __future__ import annotations

import torch
from torch import Tensor


def area_under_risk_coverage_curve(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    r"""Return the fraction of errors among the k most confident predictions, averaged over k (Geifman et al. 2019).

    .. math:: \mathrm{AURC} = \frac{1}{N} \sum_{k=1}^{N} \frac{1}{k} \sum_{i \le k} 1[\hat y_{(i)} \ne y_{(i)}]

    The confidence is the greatest probability. Among equal ones the order is random: the expectation is returned.

    Args:
        log_probabilities: (N, classes), the log of the predictive distribution.
        labels: (N,) class indices.
    """
    log_confidence, predicted = log_probabilities.double().max(dim=1)
    is_wrong = (predicted != labels).double()
    distinct, group, sizes = log_confidence.unique(return_inverse=True, return_counts=True)
    wrong_in_group = torch.zeros_like(distinct).index_add(0, group, is_wrong) / sizes
    expected = wrong_in_group[group][log_confidence.argsort(descending=True)]
    ranks = torch.arange(1, len(labels) + 1, device=labels.device)
    return torch.mean(expected.cumsum(dim=0) / ranks)
