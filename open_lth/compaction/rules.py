"""What operations do to units."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from open_lth.compaction.attention_rule import attention, is_attention
from open_lth.compaction.layers import Layer
from open_lth.compaction.reading import Call, Rule, Structure
from open_lth.compaction.units import Features


def layer(structure: Structure, call: Call) -> Features | None:
    """A linear or convolutional layer has units of its own."""
    module, groups, known = call.does, structure.groups, call.features
    is_conv = isinstance(module, nn.Conv2d)
    dim, inputs = (1, module.in_channels) if is_conv else (call.result.dim() - 1, module.in_features)
    if call.name in structure.layers:  # its second use: what goes must go for both
        groups.fix(structure.layers[call.name].source.group)
        groups.fix(structure.layers[call.name].target)
        return None
    if known is not None and known.dim != dim:
        return None
    if is_conv and (module.groups != 1 or module.transposed):
        return None
    source = groups.varying(inputs, dim, fixed=True) if known is None else known
    structure.layers[call.name] = found = Layer.of(call.name, module, source, groups.new(call.result.shape[dim]))
    return Features(found.target, found.constant_outputs(), dim)


def batchnorm(structure: Structure, call: Call) -> Features | None:
    """BatchNorm in evaluation mode scales and shifts each unit by numbers of its own."""
    module, known = call.does, call.features
    if known is None or known.dim != 1 or known.repeat != 1 or module.running_mean is None:
        return None
    if call.name in structure.unitwise:
        structure.groups.fix(structure.unitwise[call.name])
        return None
    structure.unitwise[call.name] = known.group
    scale = (module.running_var.double() + module.eps).rsqrt()
    shifted = (known.constants - module.running_mean.double()) * scale
    if module.affine:
        shifted = shifted * module.weight.detach().double() + module.bias.detach().double()
    return replace(known, constants=shifted)


def elementwise(structure: Structure, call: Call) -> Features | None:
    """A function of each number alone makes constants of constants."""
    if call.features is None or call.others:
        return None
    return replace(call.features, constants=call.applied_to(call.features.constants))


def pooling(structure: Structure, call: Call) -> Features | None:
    """A maximum or average over positions leaves constants as they are, where no zeros are padded."""
    known = call.features
    if known is None or known.dim != 1 or call.result.dim() != 4:
        return None
    if isinstance(call.does, nn.MaxPool2d | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return known  # what a maximum is padded by is less than any number
    is_plain = _argument(call, 3, "padding", 0) in (0, (0, 0)) and _argument(call, 6, "divisor_override", None) is None
    return known if is_plain else None


def flattening(structure: Structure, call: Call) -> Features | None:
    """Flattened, all positions of a unit come in a row; the images' entries are units that a layer may not read."""
    first, last = _argument(call, 1, "start_dim", 0), _argument(call, 2, "end_dim", -1)
    if first != 1 or last not in (-1, call.args[0].dim() - 1):
        return None
    if call.is_of_images:
        return structure.groups.varying(call.result.shape[1], dim=1, of_images=True)
    if call.features is None or call.features.dim != 1:
        return None
    positions = math.prod(call.args[0].shape[2:])
    return replace(call.features, repeat=call.features.repeat * positions)


def spatial_mean(structure: Structure, call: Call) -> Features | None:
    """A mean over positions leaves constants as they are."""
    known, dims = call.features, _argument(call, 1, "dim", None)
    dims = (dims,) if isinstance(dims, int) else dims
    if known is None or known.dim != 1 or not dims or {"dtype", "out"} & call.kwargs.keys():
        return None
    return known if all(dim % call.args[0].dim() > 1 for dim in dims) else None


def addition(structure: Structure, call: Call) -> Features | None:
    """Two tensors that are added have the same units."""
    known = call.features
    if known is None or len(call.others) != 1 or len(call.args) != 2 or call.kwargs:
        return None
    other, shapes = call.others[0], {call.result.shape, *(argument.shape for argument in call.args)}
    if (known.dim, known.repeat) != (other.dim, other.repeat) or len(shapes) > 1:
        return None
    group = structure.groups.unite(known.group, other.group)
    return replace(known, group=group, constants=known.constants + other.constants)


def _argument(call: Call, position: int, name: str, default: Any) -> Any:
    if isinstance(call.does, nn.Module):
        return getattr(call.does, name, default)
    return call.args[position] if len(call.args) > position else call.kwargs.get(name, default)


_ELEMENTWISE = (nn.Identity, nn.Dropout, nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU)
_MODULES: Mapping[type[nn.Module], Rule] = {
    **dict.fromkeys((nn.Linear, nn.Conv2d), layer),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), batchnorm),
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), pooling),
    nn.Flatten: flattening,
}
_FUNCTIONS: Mapping[Callable[..., Tensor] | str, Rule] = {
    **dict.fromkeys((F.relu, torch.relu, F.gelu, F.silu, torch.tanh, torch.sigmoid, "relu"), elementwise),
    F.avg_pool2d: pooling,
    **dict.fromkeys((torch.flatten, "flatten"), flattening),
    **dict.fromkeys((torch.mean, "mean"), spatial_mean),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), addition),
}


def rule_of(does: Any) -> Rule | None:
    """Return the rule of a module, a function or a method's name, or None if there is none."""
    if not isinstance(does, nn.Module):
        return _FUNCTIONS.get(does)
    if any(not getattr(hook, "keeps_channels", False) for hook in _hooks(does)):
        return None
    return attention if is_attention(does) else _MODULES.get(type(does))


def _hooks(module: nn.Module) -> list[Any]:
    return [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
