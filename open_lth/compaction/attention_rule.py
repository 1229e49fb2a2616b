"""What multi-head self-attention does to units: timm's, as its vision transformers have it."""

from __future__ import annotations

from typing import Any

from torch import nn

from open_lth.compaction.layers import AttentionLayer, Layer
from open_lth.compaction.reading import Call, Structure
from open_lth.compaction.units import Features


def is_attention(module: Any) -> bool:
    """Return whether a module is timm's plain self-attention, without normalised queries or gates."""
    kind = type(module)
    if kind.__name__ != "Attention" or kind.__module__.partition(".")[0] != "timm":
        return False
    own = (getattr(module, name, None) for name in ("q_norm", "k_norm", "norm"))
    return all(isinstance(part, nn.Identity) for part in own) and getattr(module, "gate", None) is None


def attention(structure: Structure, call: Call) -> Features | None:
    """Attention makes queries, keys and values by one linear layer, and weighs the values' means by another.

    Softmax weights sum to 1, so a value that is the same for all tokens comes out as it is.
    """
    module, groups, last = call.does, structure.groups, call.result.dim() - 1
    is_masked = call.kwargs.get("attn_mask") is not None or call.kwargs.get("is_causal") or len(call.args) > 1
    if is_masked or call.name in structure.attention:
        return None
    if call.features is not None and call.features.dim != last:
        return None
    source = call.features or groups.varying(module.qkv.in_features, last, fixed=True)
    inner = Layer.of(f"{call.name}.qkv", module.qkv, source, groups.new(module.qkv.out_features, fixed=True))
    values = inner.constant_outputs()[2 * module.attn_dim :]
    between = Features(groups.new(module.attn_dim), values, last)
    outer = Layer.of(f"{call.name}.proj", module.proj, between, groups.new(module.proj.out_features))
    structure.layers |= {inner.name: inner, outer.name: outer}
    structure.attention[call.name] = AttentionLayer(call.name, inner, outer, module.num_heads, module.scale)
    return Features(outer.target, outer.constant_outputs(), last)
