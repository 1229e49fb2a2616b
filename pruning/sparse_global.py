"""The strategies of deterministic networks: global magnitude pruning, and its random control."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models import prunable_tensor_names
from pruning.mask import Mask
from pruning.scores import magnitude, uniform_noise
from pruning.strategy import DETERMINISTIC, register_global_strategy


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the prunable weights of a deterministic network by name."""
    return {name: model.get_parameter(name) for name in prunable_tensor_names(model)}


def _magnitudes(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    return magnitude(prunable_weights(model))


def _noise(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    return uniform_noise(mask, generator)


register_global_strategy(
    "sparse_global", "the smallest magnitudes of all layers together", _magnitudes, (DETERMINISTIC,)
)
register_global_strategy("sparse_random", "weights drawn by lot: the control", _noise, ())
