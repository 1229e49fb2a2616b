"""The Kullback-Leibler divergence from the prior, in closed form."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor


class Divergence(NamedTuple):
    """A divergence in nats and its gradients.

    Args:
        value: scalar.
        mean_gradient: with respect to the means, of their shape.
        log_std_gradient: with respect to the log stds, of their shape.
    """

    value: Tensor
    mean_gradient: Tensor
    log_std_gradient: Tensor


def divergence_from_prior(mean: Tensor, log_std: Tensor, std: Tensor, prior_std: float = 1.0) -> Divergence:
    r"""Return KL(N(mean, std^2) || N(0, prior_std^2)), summed over all weights that are not pruned.

    .. math:: \mathrm{KL} = \sum_i \frac{\sigma_i^2 + \mu_i^2}{2 s^2} - \tfrac{1}{2} - \log \frac{\sigma_i}{s}

    A pruned weight, mean 0 and log std -inf, adds nothing and gets no gradient (paper sections 3 and 5).

    Args:
        prior_std: s, the same for all weights.
    """
    if prior_std != 1.0:
        # In units of the prior's standard deviation, the prior is the standard normal.
        in_units = divergence_from_prior(mean / prior_std, log_std - math.log(prior_std), std / prior_std)
        return in_units._replace(mean_gradient=in_units.mean_gradient / prior_std)
    kept = (log_std > -math.inf).to(log_std.dtype)
    variance = std.square()
    # Sums of each term cost less than one sum over weights of a masked term.
    squares = 0.5 * (variance.sum() + mean.square().sum() - kept.sum())
    value = squares - log_std.nan_to_num(nan=math.nan, neginf=0.0).sum()
    return Divergence(value, mean, variance - kept)


def divergence_by_weight(mean: Tensor, log_std: Tensor, prior_std: float = 1.0) -> Tensor:
    """Return KL(N(mean, std^2) || N(0, prior_std^2)) of each weight, none of which may be pruned."""
    log_ratio = log_std - math.log(prior_std)
    return 0.5 * ((2 * log_ratio).exp() + (mean / prior_std).square() - 1) - log_ratio
