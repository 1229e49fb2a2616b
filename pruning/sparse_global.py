"""The strategies of deterministic networks: global magnitude pruning, and its random control."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models import prunable_tensor_names
from pruning.mask import Mask
from pruning.strategy import DETERMINISTIC, register_global_strategy


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the prunable weights of a deterministic network by name."""
    return {name: model.get_parameter(name) for name in prunable_tensor_names(model)}


def magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |w| for every weight: iterative magnitude pruning (Frankle and Carbin 2019)."""
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


def uniform_noise(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a score for every weight that knows nothing of it: the control."""
    return {name: torch.rand(kept.shape, generator=generator, dtype=torch.float64) for name, kept in mask.items()}


register_global_strategy("sparse_global", "the smallest magnitudes of all layers together", magnitude, (DETERMINISTIC,))
register_global_strategy("sparse_random", "weights drawn by lot: the control", uniform_noise, ())
