"""The pruning strategies of Bayesian networks: their scores, the lowest of which are pruned first, by name.

Scores of pruned weights mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors
from bayesian.diagnostics import spread
from bayesian.hparams import BAYESIAN
from pruning import (
    Mask,
    PruneBy,
    Score,
    layer_adaptive,
    prune_lowest_by_layer,
    register_global_strategy,
    times_root_of_fan_in,
)

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

UNINFORMATIVE = 1.25
"""A 90th over 10th percentile of σ within layers below which σ changes the order of few weights of a layer."""


def register_strategies() -> None:
    """Register every score as a global pruning strategy, and the controls for what σ may have to say."""
    for name, (description, score) in _SCORES.items():
        register_distribution_score(name, description, score, uses_std=score is not mean_magnitude)
    for name, (description, controlled) in _CONTROLS.items():
        register_global_strategy(name, description, controlled, (BAYESIAN,))
    register_global_strategy(
        "sparse_layerwise_mu",
        "the smallest |mean| of each layer by itself",
        _scored_by(mean_magnitude),
        (BAYESIAN,),
        select=prune_lowest_by_layer,
    )


def scaled_mean_magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |mean| times the square root of the fan-in: |mean| / std as it is before std has learned anything."""
    return times_root_of_fan_in(_scores(model, mean_magnitude))


def layer_adaptive_mean_magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the scores of layer-adaptive magnitude pruning for the means (Lee et al. 2021)."""
    return layer_adaptive(_scores(model, mean_magnitude), mask)


def signal_to_shuffled_noise(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |mean| over the std of another kept weight of the same layer, drawn by lot.

    What |mean| / std gains over this is what std says of single weights; what this gains over |mean| is layers' scale.
    """
    found = {}
    for tensor in variational_tensors(model):
        if tensor.is_weight:
            kept, std = (mask[tensor.name] == 1).flatten(), tensor.log_std.detach().exp().cpu().flatten().clone()
            order = torch.randperm(int(kept.sum()), generator=generator)
            std[kept] = std[kept][order]
            found[tensor.name] = tensor.mean.detach().cpu().abs() / std.view(tensor.mean.shape)
    return found


def signal_to_noise_of_layers(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |mean| over the geometric mean of the stds of its layer's kept weights.

    It knows the scale of layers and, unlike a shuffle, adds no noise to the order of a layer's weights.
    """
    return _over_geometric_mean(model, mask, of_filters=False)


def signal_to_noise_of_filters(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |mean| over the geometric mean of the stds of its filter's kept weights: those with the same first index.

    What this gains over layers' is the scale of filters, which BatchNorm makes arbitrary.
    """
    return _over_geometric_mean(model, mask, of_filters=True)


def _over_geometric_mean(model: nn.Module, mask: Mask, of_filters: bool) -> dict[str, Tensor]:
    found = {}
    for tensor in variational_tensors(model):
        if tensor.is_weight:
            kept, log_std = mask[tensor.name].cpu() == 1, tensor.log_std.detach().cpu()
            over = tuple(range(int(of_filters), log_std.dim()))
            mean = log_std.where(kept, 0).sum(over, keepdim=True) / kept.sum(over, keepdim=True).clamp(1)
            found[tensor.name] = tensor.mean.detach().cpu().abs() / mean.exp()
    return found


_CONTROLS: dict[str, tuple[str, Score]] = {
    "sparse_global_mu_scaled": ("the smallest |mean| times the root of the fan-in", scaled_mean_magnitude),
    "sparse_lamp_mu": ("the smallest |mean| in layer-adaptive magnitude (LAMP)", layer_adaptive_mean_magnitude),
    "sparse_global_snr_shuffled": ("|mean| / std of another weight of the layer: a control", signal_to_shuffled_noise),
    "sparse_global_snr_of_layers": ("|mean| / geometric mean std of the layer: a control", signal_to_noise_of_layers),
    "sparse_global_snr_of_filters": ("|mean| / that of the filter: a finer control", signal_to_noise_of_filters),
}


def register_distribution_score(name: str, description: str, score: DistributionScore, uses_std: bool = True) -> None:
    """Register a strategy that prunes the weights whose distributions score lowest, of all layers together.

    Args:
        name: its name on the command line.
        score: from means and standard deviations, those of one tensor, to scores.
        uses_std: whether the standard deviations play a part; then each pruning says how much they had to say.
    """
    remark = remark_on_std if uses_std else None
    register_global_strategy(name, description, _scored_by(score), (BAYESIAN,), remark)


def _scored_by(score: DistributionScore) -> Callable[[nn.Module, Mask, torch.Generator], dict[str, Tensor]]:
    return lambda model, mask, generator: _scores(model, score)


def _scores(model: nn.Module, score: DistributionScore) -> dict[str, Tensor]:
    return {
        tensor.name: score(tensor.mean.detach(), tensor.log_std.detach().exp())
        for tensor in variational_tensors(model)
        if tensor.is_weight
    }


def remark_on_std(model: nn.Module, before: Mask, after: Mask, prune_by: PruneBy) -> list[str]:
    """Return how much the standard deviations had to say in a mask, and a warning if that is next to nothing.

    Where they are the same all over a layer, |mean| / std is magnitude with a factor for each layer.
    """
    by_magnitude = prune_by(_scores(model, mean_magnitude))
    kept_too = sum(int((mask & by_magnitude[name]).sum()) for name, mask in after.items())
    gone_too = sum(int((before[name] & ~mask & ~by_magnitude[name] & 1).sum()) for name, mask in after.items())
    log_stds = [tensor.log_std.detach() for tensor in variational_tensors(model) if tensor.is_weight]
    kept = [log_std[log_std > -math.inf].double() for log_std in log_stds]
    if not any(len(one) for one in kept):
        return []
    within = spread(torch.cat([one - one.mean() for one in kept if len(one)]))
    lines = [
        f"σ spreads by {spread(torch.cat(kept)):.2f} (90th over 10th percentile), within layers by {within:.2f}; "
        f"|μ| would have kept {100 * kept_too / max(after.unpruned, 1):.1f} % of the same weights, and pruned "
        f"{100 * gone_too / max(before.unpruned - after.unpruned, 1):.1f} %"
    ]
    if within < UNINFORMATIVE:
        lines.append(
            "Warning: σ says next to nothing of single weights, so this ticket is one of magnitude, at most with a "
            "factor for each layer; train longer, or let σ learn faster "
            "(--bayesian_std_lr_factor=10) or start larger (--bayesian_init_std=1)"
        )
    return lines
