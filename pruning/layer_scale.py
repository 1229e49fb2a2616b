"""Magnitudes compared across layers of different scale: controls for scores in which a scale may hide."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pruning.mask import Mask


def times_root_of_fan_in(magnitudes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return |w| times the square root of a layer's fan-in: magnitude in units of the scale of initial weights.

    A score |mean| / std, where std still is what it was at first, a constant over the square root of the fan-in, is
    this one (He et al. 2015, for the scale).

    Args:
        magnitudes: by tensor, of shape (outputs, inputs, ...).
    """
    return {name: value * math.sqrt(value[0].numel()) for name, value in magnitudes.items()}


def layer_adaptive(magnitudes: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """Return w^2 over the sum of the squares of all kept weights of its layer that are not smaller (LAMP).

    So the largest of a layer has 1, and no layer is pruned away while another has more than one weight (Lee et al.
    2021, "Layer-Adaptive Sparsity for the Magnitude-Based Pruning", equation 3). Pruned weights have 0.
    """
    return {name: _layer_adaptive(value, mask[name].to(value.device) == 1) for name, value in magnitudes.items()}


def _layer_adaptive(magnitude: Tensor, kept: Tensor) -> Tensor:
    squares = torch.where(kept, magnitude, 0).double().square().flatten()
    ascending = squares.argsort(stable=True)
    of_those_not_smaller = squares[ascending].flip(0).cumsum(0).flip(0)
    scores = torch.zeros_like(squares)
    scores[ascending] = squares[ascending] / of_those_not_smaller.clamp_min(torch.finfo(torch.float64).tiny)
    return scores.view(magnitude.shape)
