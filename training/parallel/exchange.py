"""Gradients of a batch's parts, which the processes of one run add up."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from foundations.ranks import Ranks


class GradientExchange:
    """Adds up the gradients that the ranks find, each weighted by its rank's share of the batch.

    All of them travel at once when the backward pass is over. DistributedDataParallel, which adds up while it goes on,
    saves little in networks of this size, and never lets go of the connections (torch 2.14).
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._share = 1.0

    def begin(self, share: float) -> None:
        """Say which fraction of the batch this rank's gradient stands for."""
        self._share = share

    def finish(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients."""
        if self._ranks.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(self._share)
        self._ranks.add_up(flat)
        for gradient, total in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))
