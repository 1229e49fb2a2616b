"""Scores of distributed weights: the lowest are pruned first. Those of pruned weights mean nothing."""

from __future__ import annotations

import torch
from torch import Tensor

RELEASED_EPSILON = 1e-6


def signal_to_noise(mean: Tensor, std: Tensor) -> Tensor:
    """Return |mean| / std (paper section 5, s_SNR): weights near zero, or noisy, go first."""
    return mean.abs() / std


def root_of_squares(mean: Tensor, std: Tensor) -> Tensor:
    """Return sqrt(mean^2 + std^2) (paper section 5, s_ss): weights surely near zero go first."""
    return torch.hypot(mean, std)


def mean_magnitude(mean: Tensor, std: Tensor) -> Tensor:
    """Return |mean| (paper section 5, s_mm): the uncertainty plays no part."""
    return mean.abs()


def released_signal_to_noise(mean: Tensor, std: Tensor) -> Tensor:
    """Return |mean| / (std^2 + 1e-6), which the authors' released code has in place of section 5's s_SNR."""
    return mean.abs() / (std.square() + RELEASED_EPSILON)


def released_root_of_squares(mean: Tensor, std: Tensor) -> Tensor:
    """Return mean^2 + (log std)^2, which the authors' released code has in place of section 5's s_ss."""
    return mean.square() + std.log().square()
