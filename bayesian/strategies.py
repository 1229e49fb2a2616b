"""The pruning strategies of Bayesian networks, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bayesian import scores
from bayesian.adapter import variational_tensors
from bayesian.hparams import BAYESIAN
from pruning import Mask, register_global_strategy

DistributionScore = Callable[[Tensor, Tensor], Tensor]
"""(means, stds) -> scores, all of one shape."""

_SCORES: dict[str, tuple[str, DistributionScore]] = {
    "sparse_global_snr": ("the smallest |mean| / std", scores.signal_to_noise),
    "sparse_global_square": ("the smallest sqrt(mean^2 + std^2)", scores.root_of_squares),
    "sparse_global_mu": ("the smallest |mean|", scores.mean_magnitude),
    "sparse_global_snr_released": ("as the paper's code: |mean| / (std^2 + 1e-6)", scores.released_signal_to_noise),
    "sparse_global_square_released": ("as the paper's code: mean^2 + (log std)^2", scores.released_root_of_squares),
}


def register_strategies() -> None:
    """Register every score as a global pruning strategy."""
    for name, (description, score) in _SCORES.items():
        register_distribution_score(name, description, score)


def register_distribution_score(name: str, description: str, score: DistributionScore) -> None:
    """Register a strategy that prunes the weights whose distributions score lowest, of all layers together.

    Args:
        name: its name on the command line.
        score: from means and standard deviations, those of one tensor, to scores.
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
