"""Scores of deterministic weights: the lowest are pruned first."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def magnitude(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w| for every weight (iterative magnitude pruning; paper section 3, s_m)."""
    return {name: weight.detach().abs() for name, weight in weights.items()}


def uniform_noise(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Return a score for every weight that knows nothing of it: the control."""
    return {
        name: torch.rand(weight.shape, generator=generator, dtype=torch.float64) for name, weight in weights.items()
    }
