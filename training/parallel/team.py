"""The processes that train one network together: what is whose part, and how the parts come together."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import share_of_batch
from foundations.context import RunContext
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from training.parallel.exchange import GradientExchange


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
