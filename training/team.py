"""The processes that train one network together: what is whose part, how the parts come together, and agreements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from datasets import share_of_batch
from foundations.context import RunContext
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks, raising_rank_lost


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


@dataclass(frozen=True)
class Team:
    """One of the processes that train a network together, usually the only one.

    Args:
        ranks: all of them.
        example_ranks: those that share the examples of a batch.
        sample_ranks: those that share the samples that the network draws for a batch.
        exchange: what adds up their gradients.
        has_own_noise: whether processes that share examples draw different random numbers.
    """

    ranks: Ranks
    example_ranks: Ranks
    sample_ranks: Ranks
    exchange: GradientExchange
    has_own_noise: bool

    @staticmethod
    def of(context: RunContext) -> Team:
        """Return this process's part in the circumstances."""
        own = context.sharing.noise == "own"
        exchange = GradientExchange(context.ranks)
        return Team(context.ranks, context.example_ranks, context.sample_ranks, exchange, own)

    def share_of_batch(self, size: int) -> float:
        """Return the fraction of a batch's gradient that this process finds.

        Args:
            size: the batch's examples, those of all processes together.
        """
        return share_of_batch(self.example_ranks, size) / self.sample_ranks.size

    def noise_of_samples(self, streams: RandomStreams) -> RandomStreams:
        """Return the streams of a stochastic network's samples.

        Those that share samples draw what one process would; those that share examples draw their own, unless told not
        to.
        """
        return streams.of_rank(self.example_ranks.number) if self.has_own_noise else streams

    def noise_of_layers(self, streams: RandomStreams) -> RandomStreams:
        """Return the streams of layers that draw for themselves, such as dropout: no two processes draw the same."""
        return streams.of_rank(self.ranks.number)


def check_batch(batch_size: int, ranks: Ranks) -> None:
    """Check that every process has something to do.

    Raises:
        InvalidValue: if a batch has fewer examples than there are processes.
    """
    if batch_size < ranks.size:
        raise InvalidValue("batch_size", batch_size, f"fewer examples than the {ranks.size} processes that share them")


class Agreement:
    """Whether a signal has asked any rank for a stop, and whether the leader's clock says that a checkpoint is due.

    Alone, a process knows at once. Several learn of it a step later: what they say at a step travels while the next
    one is computed, from host to host, so no step waits for a device.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._said = torch.zeros(2, dtype=torch.int64)
        self._travelling: dist.Work | None = None

    def on(self, signal_number: int, is_due: bool) -> tuple[int, bool]:
        """Say what this rank knows, and return what all know: the signal's number, or 0, and if a checkpoint is due."""
        if self._ranks.size == 1:
            return signal_number, is_due
        known = self._arrived()
        self._said = torch.tensor([signal_number, int(is_due and self._ranks.is_leader)])
        with raising_rank_lost():
            self._travelling = dist.all_reduce(self._said, dist.ReduceOp.MAX, async_op=True)
        return int(known[0]), bool(known[1])

    def finish(self) -> None:
        """Wait for what is on its way, before anything else is said."""
        self._arrived()
        self._travelling = None

    def _arrived(self) -> Tensor:
        if self._travelling is not None:
            with raising_rank_lost():
                self._travelling.wait()
        return self._said
