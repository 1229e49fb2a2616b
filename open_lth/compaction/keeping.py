"""Which units a network needs: those that reach its output along kept weights and differ from image to image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from open_lth.compaction.layers import AttentionLayer
from open_lth.compaction.reading import Structure


def needed_units(structure: Structure) -> dict[int, Tensor]:
    """Return, for every group, which units are needed, (units,) booleans.

    A unit is needed if it has to stay, or if a needed output of a layer reads it. Where layers read what comes from
    behind them, as around a residual stream, one pass over them does not find all.
    """
    groups = structure.groups
    needed = {root: torch.full((groups.size(root),), groups.is_fixed(root)) for root in groups.roots()}
    reads = {name: layer.reads() for name, layer in structure.layers.items()}
    before = -1
    while (count := sum(int(units.sum()) for units in needed.values())) != before:
        before = count
        for name, layer in reversed(structure.layers.items()):
            outputs = needed[groups.find(layer.target)]
            needed[groups.find(layer.source.group)] |= reads[name][outputs].any(dim=0)
    return needed


@dataclass(frozen=True)
class KeptInAttention:
    """What stays of an attention layer.

    Args:
        heads: how many heads.
        inner: the outputs of its inner layer that stay, as indices, in their order: queries, keys, values.
        outer: the inputs of its outer layer that stay.
    """

    heads: int
    inner: Tensor
    outer: Tensor


def kept_in_attention(attention: AttentionLayer, needed: Tensor) -> KeptInAttention:
    """Return what of an attention layer is needed.

    A head goes if none of its values is needed. A dimension of queries and keys goes if its query is 0, or if its key
    is the same for all tokens: then it adds the same to all of a query's products, which softmax does not see. All
    heads that stay have as many dimensions as the one that needs most.

    Args:
        needed: which values are needed, (heads * size,) booleans.
    """
    queries, keys, _ = attention.inner.constant_outputs().unflatten(0, (3, attention.heads, -1))
    matching = keys.isnan() & (queries != 0)  # (heads, size)
    values = needed.unflatten(0, (attention.heads, -1))
    heads = values.any(dim=1)
    if not bool(heads.any()):
        heads[0] = True
    index = torch.arange(values.numel()).unflatten(0, values.shape)[heads]
    of_matching, of_values = (_widest(index, units[heads]) for units in (matching, values))
    size = values.numel()
    inner = torch.cat([of_matching, size + of_matching, 2 * size + of_values])
    return KeptInAttention(int(heads.sum()), inner, of_values)


def _widest(index: Tensor, units: Tensor) -> Tensor:
    """Return the indices (heads, size) of the units that stay, as many for each head, flattened."""
    size = max(1, int(units.sum(dim=1).max()))
    chosen = units.int().argsort(dim=1, descending=True, stable=True)[:, :size].sort(dim=1).values
    return index.gather(1, chosen).flatten()
