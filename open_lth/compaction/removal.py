"""What can go from a network, and the state dict of what stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from open_lth.compaction.keeping import KeptInAttention, kept_in_attention, needed_units
from open_lth.compaction.layers import AttentionLayer, Layer
from open_lth.compaction.narrowing import INPUTS, AttentionSize
from open_lth.compaction.reading import Structure

Removal: TypeAlias = "tuple[int, int] | str"
"""A unit, by its group and index, or the name of an attention layer: all of it that is not needed."""


def possible_removals(structure: Structure) -> list[Removal]:
    """Return all that a network does not need."""
    needed = needed_units(structure)
    inside = {structure.groups.find(one.outer.source.group) for one in structure.attention.values()}
    worthwhile = {g: stays for g, stays in needed.items() if g not in inside and _pays(structure, g, stays)}
    units = [(group, int(unit)) for group, stays in worthwhile.items() for unit in (~stays).nonzero()[:, 0]]
    attention = structure.attention.items()
    narrower = [name for name, one in attention if len(_needed_of(one, needed).inner) < len(one.inner.bias)]
    return [*units, *narrower]


def _pays(structure: Structure, group: int, stays: Tensor) -> bool:
    """Return whether units are worth removing: to pick most of the images' entries takes longer than to read all."""
    return not structure.groups.is_of_images(group) or 2 * int(stays.sum()) <= len(stays)


def narrow_state(
    network: nn.Module, structure: Structure, removals: Sequence[Removal]
) -> tuple[dict[str, Tensor], dict[str, AttentionSize]]:
    """Return the state dict of a network without some of its units, and the sizes of attention layers by name."""
    needed = needed_units(structure)
    attention = {name: _needed_of(structure.attention[name], needed) for name in removals if isinstance(name, str)}
    kept = _kept_units(structure, [unit for unit in removals if not isinstance(unit, str)])
    for name, part in attention.items():
        kept[structure.attention[name].inner.target] = part.inner
        kept[structure.attention[name].outer.source.group] = part.outer
    state = dict(network.state_dict())
    for layer in structure.layers.values():
        state |= _narrow_layer(structure, layer, kept, state)
    for name, group in structure.unitwise.items():
        for key in [key for key, tensor in state.items() if key.rpartition(".")[0] == name and tensor.dim() == 1]:
            state[key] = state[key][kept[structure.groups.find(group)]]
    sizes = {name: _size(structure.attention[name], part) for name, part in attention.items()}
    return state, sizes


def _needed_of(attention: AttentionLayer, needed: Mapping[int, Tensor]) -> KeptInAttention:
    return kept_in_attention(attention, needed[attention.outer.source.group])


def _size(attention: AttentionLayer, kept: KeptInAttention) -> AttentionSize:
    values = len(kept.outer) // kept.heads
    return AttentionSize(kept.heads, (len(kept.inner) // kept.heads - values) // 2, values, attention.scale)


def _kept_units(structure: Structure, removed: Sequence[tuple[int, int]]) -> dict[int, Tensor]:
    """Return the units of every group that stay, (units,) indices: one at least."""
    stays = {root: torch.ones(structure.groups.size(root), dtype=torch.bool) for root in structure.groups.roots()}
    for group, unit in removed:
        stays[group][unit] = False
    return {group: units.nonzero()[:, 0] if bool(units.any()) else torch.tensor([0]) for group, units in stays.items()}


def _narrow_layer(
    structure: Structure, layer: Layer, kept: Mapping[int, Tensor], state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of a layer that has other units before and behind it."""
    groups, source = structure.groups, layer.source
    outputs, units = kept[groups.find(layer.target)], kept[groups.find(source.group)]
    inputs = (units[:, None] * source.repeat + torch.arange(source.repeat)).flatten()
    removed = torch.ones(len(source.constants), dtype=torch.bool).index_fill(0, units, False)
    weight, bias = layer.without(removed)
    old = state[f"{layer.name}.weight"]
    narrow = {f"{layer.name}.weight": weight.reshape(old.shape).to(old.dtype)[outputs][:, inputs]}
    if f"{layer.name}.bias" in state or bool(bias.any()):
        narrow[f"{layer.name}.bias"] = bias.to(old.dtype)[outputs]
    if groups.is_of_images(source.group) and bool(removed.any()):
        narrow[f"{layer.name}.{INPUTS}"] = inputs
    return narrow
