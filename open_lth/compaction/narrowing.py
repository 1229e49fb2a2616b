"""A network with smaller tensors: made from those that stay of a wider one, or from a file of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INPUTS = "inputs"
"""The name of the buffer with the entries of the images that a layer reads."""


@dataclass(frozen=True)
class AttentionSize:
    """The size of an attention layer.

    Args:
        heads: the number of heads.
        matching: the dimensions of a head's queries and keys.
        values: the dimensions of a head's values.
        scale: the factor on the products of queries and keys, which is that of the wider layer.
    """

    heads: int
    matching: int
    values: int
    scale: float


class SelectedLinear(nn.Linear):
    """A linear layer that reads some entries of its input.

    Args:
        inputs: (in_features,), their indices.
    """

    inputs: Tensor

    def __init__(self, inputs: Tensor, out_features: int, bias: bool) -> None:
        super().__init__(len(inputs), out_features, bias)
        self.register_buffer(INPUTS, inputs)

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., all inputs) to (..., outputs)."""
        return F.linear(input.index_select(-1, self.inputs), self.weight, self.bias)


class NarrowAttention(nn.Module):
    """Multi-head self-attention whose heads may have other dimensions for matching tokens than for their values.

    Source: Vaswani et al., Attention Is All You Need, section 3.2.
    """

    def __init__(self, size: AttentionSize, inner: nn.Linear, outer: nn.Linear) -> None:
        super().__init__()
        self.size = size
        self.qkv = inner
        self.proj = outer

    def forward(self, x: Tensor, attn_mask: None = None, is_causal: bool = False) -> Tensor:
        """Map tokens (B, N, width) to (B, N, width)."""
        parts = [self.size.heads * size for size in (self.size.matching, self.size.matching, self.size.values)]
        query, key, value = (
            part.unflatten(-1, (self.size.heads, -1)).transpose(1, 2) for part in self.qkv(x).split(parts, dim=-1)
        )
        # Where the dimensions differ, no fused kernel fits, and zeros cost less.
        width = max(self.size.matching, self.size.values)
        query, key, value = (F.pad(part, (0, width - part.shape[-1])) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, scale=self.size.scale)[..., : self.size.values]
        outputs: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))  # from (B, heads, N, values)
        return outputs


def narrowed(network: nn.Module, state: Mapping[str, Tensor], attention: Mapping[str, AttentionSize]) -> nn.Module:
    """Return a network like another one, with the tensors of a narrower one's state dict.

    Args:
        network: the wide network, which stays as it is.
        state: a tensor for each that the narrow network has.
        attention: the sizes of attention layers that are narrower, by name.

    Raises:
        RuntimeError: if the tensors are not those of a narrower form of the network.
    """
    result = copy.deepcopy(network)
    for name, size in attention.items():
        wide = result.get_submodule(name)
        assert isinstance(wide.qkv, nn.Linear) and isinstance(wide.proj, nn.Linear)
        result.set_submodule(name, NarrowAttention(size, wide.qkv, wide.proj))
    for key, inputs in state.items():
        name, _, what = key.rpartition(".")
        if what == INPUTS:
            layer = result.get_submodule(name)
            assert isinstance(layer, nn.Linear)
            result.set_submodule(name, SelectedLinear(inputs, layer.out_features, layer.bias is not None))
    for name, module in result.named_modules():
        _resize(module, {key: state.get(f"{name}.{key}" if name else key) for key in (*_own(module), "bias")})
    result.load_state_dict(state)
    return result


def _own(module: nn.Module) -> list[str]:
    return [name for name, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))]


def _resize(module: nn.Module, tensors: Mapping[str, Tensor | None]) -> None:
    """Give a module tensors of the sizes of others, where it has such."""
    for key, tensor in tensors.items():
        old: Any = getattr(module, key, None)
        if tensor is None or (isinstance(old, Tensor) and old.shape == tensor.shape):
            continue
        is_buffer = key in module._buffers
        setattr(module, key, torch.empty_like(tensor) if is_buffer else nn.Parameter(torch.empty_like(tensor)))
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.Conv2d):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
        module.num_features = len(module.running_mean)
