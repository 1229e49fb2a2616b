"""Gradients of a batch's parts, which the processes of one run add up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from foundations.ranks import Ranks


class GradientExchange:
    """Adds up the gradients that the ranks find, each weighted by its rank's share of the batch.

    An objective that finds its gradient in one backward pass through the network lets DistributedDataParallel add up
    while that pass goes on (`overlapped`). For all others it is done when they have finished.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._share = 1.0
        self._is_overlapped = False

    def overlapped(self, model: nn.Module) -> nn.Module:
        """Return the network in a form whose backward pass adds up the gradients; alone, the network itself."""
        if self._ranks.size == 1:
            return model
        self._is_overlapped = True
        # Else the order of its sums would change after the first step, and a resumed run's bits with it.
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        wrapped.register_comm_hook(None, lambda _, bucket: self._add_up_bucket(bucket))
        return wrapped

    def begin(self, share: float) -> None:
        """Say which fraction of the batch this rank's gradient stands for."""
        self._share = share

    def finish(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients, unless the backward pass has."""
        if self._ranks.size == 1 or self._is_overlapped:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(self._share)
        self._ranks.add_up(flat)
        for gradient, total in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def _add_up_bucket(self, bucket: Any) -> torch.futures.Future[Tensor]:
        work = dist.all_reduce(bucket.buffer().mul_(self._share), async_op=True)
        summed: torch.futures.Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
        return summed
