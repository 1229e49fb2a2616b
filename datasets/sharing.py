"""How the processes of one run share a batch's examples, and the batches of an evaluation."""

from __future__ import annotations

from foundations.ranks import Ranks


def part_of_batch(ranks: Ranks, start: int, stop: int) -> slice:
    """Return which of the examples from `start` to `stop` a process gets: its part, or the first if that is empty."""
    part = ranks.part(stop - start)
    return slice(start + part.start, start + part.stop) if part.start < part.stop else slice(start, start + 1)


def own_batches(ranks: Ranks, num_examples: int, batch_size: int) -> tuple[range, int]:
    """Return where a process's evaluation batches begin, and how many examples there are that nobody else has."""
    starts = range(0, num_examples, batch_size)
    own = starts[ranks.part(len(starts))]
    return (own, min(own[-1] + batch_size, num_examples) - own[0]) if own else (starts[:1], 0)


def share_of_batch(ranks: Ranks, size: int) -> float:
    """Return the fraction of a batch's examples that is a process's part; all of them together have 1."""
    part = ranks.part(size)
    return float(part.stop - part.start) / size
