"""Smaller networks that compute the same: without the units that pruned weights have left without effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from open_lth.compaction.narrowing import AttentionSize, narrowed
from open_lth.compaction.reading import read_structure
from open_lth.compaction.removal import Removal, narrow_state, possible_removals
from open_lth.compaction.rules import rule_of
from training import logits_of

TOLERANCE = 1e-5
"""How far logits may be from those of the whole network, in units of its greatest logit, or of 1 if that is more."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Compacted:
    """A smaller network, and what makes it from the wider one.

    Args:
        network: the network.
        attention: the sizes of its attention layers, by name, as `narrowed` wants them.
        deviation: the greatest difference of its logits from those of the wide network, over all images.
    """

    network: nn.Module
    attention: Mapping[str, AttentionSize]
    deviation: float


def compact(network: nn.Module, batches: Callable[[], Iterable[Tensor]]) -> Compacted:
    """Return a network without the units that no kept weight reaches or whose output no kept weight reads.

    Units that the images do not change become part of the next layer's bias, where that is exact. What the rules say
    is then judged by the logits of all images: a unit without which they differ stays.

    Args:
        network: a network whose pruned weights are 0, in evaluation mode; it is left as it was.
        batches: gives the batches of images (B, C, H, W), each time it is called.

    Raises:
        UserError: if the network's operations cannot be followed.
    """
    example = next(iter(batches()))[:1]
    structure = read_structure(network, example, rule_of)
    expected = logits_of(network, batches())
    tolerance = TOLERANCE * max(1.0, float(expected.abs().max()))

    def attempt(removals: Sequence[Removal]) -> Compacted:
        state, attention = narrow_state(network, structure, removals)
        narrow = narrowed(network, state, attention).eval()
        return Compacted(narrow, attention, float((logits_of(narrow, batches()) - expected).abs().max()))

    return attempt(largest_accepted(possible_removals(structure), lambda some: attempt(some).deviation <= tolerance))


def largest_accepted(items: Sequence[Item], accept: Callable[[Sequence[Item]], bool]) -> list[Item]:
    """Return items that are accepted together, leaving out no more than need be, by halving what is refused."""

    def extended(taken: list[Item], more: Sequence[Item]) -> list[Item]:
        if not more or accept([*taken, *more]):
            return [*taken, *more]
        if len(more) == 1:
            return taken
        middle = len(more) // 2
        return extended(extended(taken, more[:middle]), more[middle:])

    return extended([], items)
