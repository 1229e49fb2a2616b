"""The strategies of deterministic networks: global magnitude pruning, and controls for randomness and layers' scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models import prunable_tensor_names
from pruning.layer_scale import layer_adaptive, times_root_of_fan_in
from pruning.mask import Mask
from pruning.scored import register_global_strategy
from pruning.selection import prune_lowest_by_layer
from pruning.strategy import DETERMINISTIC


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the prunable weights of a deterministic network by name."""
    return {name: model.get_parameter(name) for name in prunable_tensor_names(model)}


def magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |w| for every weight: iterative magnitude pruning (Frankle and Carbin 2019)."""
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


def uniform_noise(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return a score for every weight that knows nothing of it: the control."""
    return {name: torch.rand(kept.shape, generator=generator, dtype=torch.float64) for name, kept in mask.items()}


def scaled_magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return |w| times the square root of the fan-in."""
    return times_root_of_fan_in(magnitude(model, mask, generator))


def layer_adaptive_magnitude(model: nn.Module, mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the scores of layer-adaptive magnitude pruning (Lee et al. 2021)."""
    return layer_adaptive(magnitude(model, mask, generator), mask)


register_global_strategy("sparse_global", "the smallest magnitudes of all layers together", magnitude, (DETERMINISTIC,))
register_global_strategy("sparse_random", "weights drawn by lot: the control", uniform_noise, ())
register_global_strategy(
    "sparse_global_scaled", "the smallest |w| times the root of the fan-in", scaled_magnitude, (DETERMINISTIC,)
)
register_global_strategy(
    "sparse_lamp", "the smallest in layer-adaptive magnitude (LAMP)", layer_adaptive_magnitude, (DETERMINISTIC,)
)
register_global_strategy(
    "sparse_layerwise",
    "the smallest magnitudes of each layer by itself",
    magnitude,
    (DETERMINISTIC,),
    select=prune_lowest_by_layer,
)
