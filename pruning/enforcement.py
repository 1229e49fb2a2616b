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
    A network with nothing pruned costs nothing; where "pruned" means 0 others cost a GPU a few kernels, however many
    layers they have, and a number that is not finite stays one, so that training ends as diverged.

    Raises:
        UserError: if the mask does not fit the network.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, prunable: Prunable, mask: Mask) -> None:
        apply_mask(prunable, mask)
        self._zeroed: list[tuple[nn.Parameter, Tensor]] = []
        self._filled: list[tuple[nn.Parameter, Tensor, float]] = []
        for name, parts in prunable.items():
            if bool(mask[name].all()):
                continue
            for parameter, value in ((part.parameter, part.pruned_value) for part in parts):
                if value == 0:
                    # In memory as the parameter is, or else one kernel is not enough for many.
                    kept = torch.empty_like(parameter, requires_grad=False).copy_(mask[name])
                    self._zeroed.append((parameter, kept))
                else:
                    self._filled.append((parameter, (mask[name] == 0).to(parameter.device), value))
        if self._zeroed or self._filled:
            optimizer.register_step_pre_hook(self._zero_gradients)
            optimizer.register_step_post_hook(self._restore)

    @torch.no_grad()
    def _zero_gradients(self, *_: Any) -> None:
        _multiply([(parameter.grad, kept) for parameter, kept in self._zeroed if parameter.grad is not None])
        for parameter, pruned, _value in self._filled:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(pruned, 0.0)

    @torch.no_grad()
    def _restore(self, *_: Any) -> None:
        _multiply(self._zeroed)
        for parameter, pruned, value in self._filled:
            parameter.masked_fill_(pruned, value)


def _multiply(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Multiply tensors in place, each by another."""
    if pairs:
        ones, others = zip(*pairs, strict=True)
        torch._foreach_mul_(list(ones), list(others))
