"""The pruning strategies of Bayesian networks: their scores, the lowest of which are pruned first, by name.

Scores of pruned weights mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors
from bayesian.hparams import BAYESIAN
from pruning import Mask, register_global_strategy

DistributionScore = Callable[[Tensor, Tensor], Tensor]
"""(means, stds) -> scores, all of one shape."""

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


_SCORES: dict[str, tuple[str, DistributionScore]] = {
    "sparse_global_snr": ("the smallest |mean| / std", signal_to_noise),
    "sparse_global_square": ("the smallest sqrt(mean^2 + std^2)", root_of_squares),
    "sparse_global_mu": ("the smallest |mean|", mean_magnitude),
    "sparse_global_snr_released": ("as the paper's code: |mean| / (std^2 + 1e-6)", released_signal_to_noise),
    "sparse_global_square_released": ("as the paper's code: mean^2 + (log std)^2", released_root_of_squares),
}


def register_strategies() -> None:
    """Register every score as a global pruning strategy."""
    for name, (description, score) in _SCORES.items():
        register_distribution_score(name, description, score)


def register_distribution_score(name: str, description: str, score: DistributionScore) -> None:
    """Register a strategy that prunes the weights whose distributions score lowest, of all layers together.

    Args:
        name: its name on the command line.
        score: from means and standard deviations, those of one tensor, to
    """
    register_global_strategy(name, description, _scored_by(score), (BAYESIAN,))


def _scored_by(score: DistributionScore) -> Callable[[nn.Module, Mask, torch.Generator], dict[str, Tensor]]:
    def scores_of(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            tensor.name: score(tensor.mean.detach(), tensor.log_std.detach().exp())
            for tensor in variational_tensors(model)
            if tensor.variable == "weight"
        }

    return scores_of
