"""Pruned weights are pruned exactly, and stay so through any optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pruning.mask import Mask, check_same_tensors


@dataclass(frozen=True)
class PrunableParameter:
    """One of the parameters that make up a prunable weight, and the value that means "pruned"."""

    parameter: nn.Parameter
    pruned_value: float = 0.0


Prunable = Mapping[str, Sequence[PrunableParameter]]
"""A prunable tensor's canonical name -> the parameters behind it, all of the tensor's shape."""


def prunable_shapes(prunable: Prunable) -> dict[str, torch.Size]:
    """Return the shape of every prunable tensor."""
    return {name: parts[0].parameter.shape for name, parts in prunable.items()}


@torch.no_grad()
def apply_mask(prunable: Prunable, mask: Mask) -> None:
    """Set every pruned weight's parameters to the value that means "pruned".

    Raises:
        UserError: if the mask does not fit the network.
    """
    check_same_tensors(mask, prunable_shapes(prunable), "the mask")
    for name, parts in prunable.items():
        for part in parts:
            part.parameter.masked_fill_((mask[name] == 0).to(part.parameter.device), part.pruned_value)


class MaskEnforcement:
    """Keeps pruned weights pruned while an optimiser steps.

    Their gradients are zeroed before each step, so that no momentum or second moment ever builds up; afterwards
    the weights are set again, so that an optimiser that moves weights without a gradient changes nothing either.
    A network with nothing pruned costs nothing.

    Raises:
        UserError: if the mask does not fit the network.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, prunable: Prunable, mask: Mask) -> None:
        apply_mask(prunable, mask)
        self._entries: list[tuple[nn.Parameter, Tensor, float]] = []
        for name, parts in prunable.items():
            if bool(mask[name].all()):
                continue
            pruned = (mask[name] == 0).to(parts[0].parameter.device)
            self._entries += [(part.parameter, pruned, part.pruned_value) for part in parts]
        if self._entries:
            optimizer.register_step_pre_hook(self._zero_gradients)
            optimizer.register_step_post_hook(self._restore)

    @torch.no_grad()
    def _zero_gradients(self, *_: Any) -> None:
        for parameter, pruned, _value in self._entries:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(pruned, 0.0)

    @torch.no_grad()
    def _restore(self, *_: Any) -> None:
        for parameter, pruned, value in self._entries:
            parameter.masked_fill_(pruned, value)
