"""Signs that a posterior has collapsed: onto the prior, or to standard deviations that say nothing of the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bayesian.adapter import VariationalTensor
from bayesian.divergence import divergence_by_weight
from training import ALL_LAYERS, Diagnostics

AT_PRIOR = 0.01
"""Nats: a weight whose posterior is nearer to the prior counts as one that is there, e.g. one with σ within 10 %."""


@torch.no_grad()
def posterior_diagnostics(tensors: Sequence[VariationalTensor], prior_std: float = 1.0) -> Diagnostics:
    """Return what tells, for each layer and for all of them, how much the posterior says; pruned weights are left out.

    `kl` is the divergence from the prior, biases included, in nats. The others are of weights alone: `weights`, their
    number; `at_prior`, the fraction whose posterior is within 0.01 nats of the prior; `std_median`; and `std_spread`,
    the 90th percentile of σ over the 10th. All layers together also have `std_spread_between_layers`, that of the
    layers' geometric means, and `log_std_variance_within_layers`, the fraction of the variance of log σ that is not
    between layers: where it is 0, |μ|/σ is magnitude with a factor for each layer.

    What is not defined, such as a median of no weights, is left out.
    """
    log_stds: list[Tensor] = []
    divergences: list[Tensor] = []
    found: dict[str, dict[str, float]] = {}
    for tensor in tensors:
        name = tensor.name.rpartition(".")[0]
        kept = tensor.log_std > -math.inf
        log_std = tensor.log_std[kept].double()
        divergence = divergence_by_weight(tensor.mean[kept].double(), log_std, prior_std)
        row = found.setdefault(name, {"kl": 0.0})
        row["kl"] += float(divergence.sum())
        if tensor.is_weight:
            row |= _of_weights(log_std, divergence)
            log_stds.append(log_std)
            divergences.append(divergence)
    together = {"kl": sum(row["kl"] for row in found.values())}
    together |= _of_weights(torch.cat(log_stds), torch.cat(divergences)) | _of_layers(log_stds)
    return {**found, ALL_LAYERS: together}


def _of_weights(log_std: Tensor, divergence: Tensor) -> dict[str, float]:
    if len(log_std) == 0:
        return {"weights": 0.0}
    return {
        "weights": float(len(log_std)),
        "at_prior": float((divergence < AT_PRIOR).double().mean()),
        "std_median": math.exp(np.quantile(log_std.cpu().numpy(), 0.5)),
        "std_spread": spread(log_std),
    }


def _of_layers(log_stds: Sequence[Tensor]) -> dict[str, float]:
    layers = [log_std for log_std in log_stds if len(log_std)]
    if not layers:
        return {}
    found = {"std_spread_between_layers": spread(torch.stack([layer.mean() for layer in layers]))}
    total = float(torch.cat(layers).var(correction=0))
    if total > 0:
        within = sum(float((layer - layer.mean()).square().sum()) for layer in layers)
        found["log_std_variance_within_layers"] = within / (total * sum(map(len, layers)))
    return found


def spread(log_std: Tensor) -> float:
    """Return the 90th percentile of σ over the 10th."""
    low, high = np.quantile(log_std.cpu().numpy(), (0.1, 0.9))
    return math.exp(high - low)


@torch.no_grad()
def posterior_distances(ones: Sequence[VariationalTensor], others: Sequence[VariationalTensor]) -> dict[str, float]:
    r"""Return how far two posteriors are from each other, weights that both have pruned left out.

    `l2` is that of the means, and `symmetric_kl`, in nats, is for each weight

    .. math:: \frac{1}{4} \left( \frac{\sigma_1^2}{\sigma_2^2} + \frac{\sigma_2^2}{\sigma_1^2} - 2
        + (\mu_1 - \mu_2)^2 (\sigma_1^{-2} + \sigma_2^{-2}) \right),

    the mean of :math:`\mathrm{KL}(q_1 \| q_2)` and :math:`\mathrm{KL}(q_2 \| q_1)` of two normal distributions. It is
    infinite if only one of them has a weight pruned.
    """
    squares, divergence = 0.0, 0.0
    for one, other in zip(ones, others, strict=True):
        kept = (one.log_std > -math.inf) | (other.log_std > -math.inf)
        difference = (one.mean - other.mean)[kept].double().square()
        log_ratio = 2 * (one.log_std - other.log_std)[kept].double()
        precisions = sum((-2 * tensor.log_std[kept].double()).exp() for tensor in (one, other))
        squares += float(difference.sum())
        divergence += float((log_ratio.exp() + (-log_ratio).exp() - 2 + difference * precisions).sum()) / 4
    return {"l2": math.sqrt(squares), "symmetric_kl": divergence}
