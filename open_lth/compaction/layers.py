"""The layers whose tensors get smaller when units go."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from open_lth.compaction.units import Features


@dataclass(frozen=True)
class Layer:
    """A linear or convolutional layer: each of its outputs is a weighted sum of input units, and a bias.

    Args:
        name: the module's dotted name.
        source: its input.
        target: the group of its outputs.
        weight: (outputs, input units, weights of one unit) in float64.
        bias: (outputs,) in float64, zeros if there is none.
        folds: whether constant input units add a constant to the outputs, which they do not under zero padding.
    """

    name: str
    source: Features
    target: int
    weight: Tensor
    bias: Tensor
    folds: bool

    @staticmethod
    def of(name: str, module: nn.Linear | nn.Conv2d, source: Features, target: int) -> Layer:
        """Return a layer as it is applied to an input."""
        weight = module.weight.detach().double()
        bias = weight.new_zeros(weight.shape[0]) if module.bias is None else module.bias.detach().double()
        units = len(source.constants)
        return Layer(name, source, target, weight.reshape(weight.shape[0], units, -1), bias, not _is_padded(module))

    @property
    def carrier(self) -> int:
        """The unit with the greatest constant, which can stand for all constant ones.

        Under zero padding no bias can: at the border, the outputs' sums have fewer terms. But units that are constant
        differ by a factor only, padding included, so their weights can be added to those of one of them.
        """
        return int(self.source.constants.nan_to_num(0.0).abs().argmax())

    def reads(self) -> Tensor:
        """Return which input units which outputs read, (outputs, units): those that no other and no bias stands for."""
        reads, constants = (self.weight != 0).any(dim=2), self.source.constants
        is_constant = ~constants.isnan()
        carried = reads[:, is_constant & (constants != 0)].any(dim=1)
        reads[:, is_constant] = False
        if not self.folds:
            reads[:, self.carrier] |= carried
        return reads

    def constant_outputs(self) -> Tensor:
        """Return (outputs,), the outputs that are the same for every image and at every position; NaN for others."""
        value = self.bias + self.weight.sum(dim=2) @ self.source.constants.nan_to_num(0.0)
        return value.masked_fill(self.reads().any(dim=1), torch.nan)

    def without(self, removed: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights (outputs, units, weights of one unit) and biases (outputs,) after constant units are removed.

        Args:
            removed: (units,) booleans; the weights of these units stay in the result, and are to be left out.
        """
        constants = self.source.constants.nan_to_num(0.0).masked_fill(~removed, 0.0)
        if self.folds or not bool(constants.any()):
            return self.weight, self.bias + self.weight.sum(dim=2) @ constants
        weight = self.weight.clone()
        ratios = constants / self.source.constants[self.carrier]
        weight[:, self.carrier] += torch.einsum("oun,u->on", self.weight, ratios)
        return weight, self.bias


def _is_padded(module: nn.Linear | nn.Conv2d) -> bool:
    return isinstance(module, nn.Conv2d) and module.padding not in ((0, 0), "valid")


@dataclass(frozen=True)
class AttentionLayer:
    """Multi-head self-attention, as two linear layers and what happens between them.

    Args:
        name: the module's dotted name.
        inner: the layer that makes queries, keys and values, whose outputs are ordered (3, heads, size).
        outer: the layer behind it, whose inputs are ordered (heads, size).
        heads: the number of heads.
        scale: the factor on the products of queries and keys.
    """

    name: str
    inner: Layer
    outer: Layer
    heads: int
    scale: float
