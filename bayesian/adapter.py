"""The one place that knows torch-blue's insides.

torch-blue's layers hold a mean and a log standard deviation for every weight. Left alone, a converted layer takes
itself for the outermost module and samples by `vmap`, draws anew at every access to `weight`, and, with log
probabilities off, silently switches its Linear to local reparameterisation. Here the layers are told that they are
inner ones, and a sample that we have drawn is put into the layer's instance dictionary, where attribute access finds
it before torch-blue's own drawing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.errors import UserError
from models import prunable_layers

_SAMPLE = "memory_of_sample"


@dataclass(frozen=True)
class VariationalTensor:
    """One weight or bias tensor and its mean-field normal distribution.

    Args:
        name: the name of the deterministic tensor in its place, e.g. `conv.weight`.
        layer: the torch-blue layer.
        variable: what the layer calls it, e.g. `weight` or `bias`.
        mean: the posterior means.
        log_std: the logarithms of the posterior standard deviations.
        shared_by: the other layers that have the same tensor, with their names of it.
    """

    name: str
    layer: Any
    variable: str
    mean: nn.Parameter
    log_std: nn.Parameter
    shared_by: tuple[tuple[str, Any, str], ...] = ()

    @property
    def is_weight(self) -> bool:
        """Whether features are multiplied by it, so that it can be pruned; else it is added to them."""
        return self.variable.endswith("weight")

    @functools.cached_property
    def places(self) -> tuple[tuple[Any, str], ...]:
        """The layers that use it, each with what it calls it."""
        return (self.layer, self.variable), *((layer, variable) for _, layer, variable in self.shared_by)

    @property
    def state_names(self) -> dict[str, tuple[str, str]]:
        """By deterministic name, the names of mean and log std in the network's state dict."""
        names = (self.name, *(name for name, _, _ in self.shared_by))
        return {name: (_state_name(name, "mean"), _state_name(name, "log_std")) for name in names}


def _state_name(name: str, parameter: str) -> str:
    layer, _, variable = name.rpartition(".")
    return f"{layer}{'.' if layer else ''}_{variable}_{parameter}"


def convert(model: nn.Module, initial_std: Callable[[int], float]) -> None:
    """Turn linear, convolutional and attention layers into torch-blue's, in place; all else stays deterministic.

    The means are the weights that are there. What is frozen stays frozen, and layers that share a tensor share its
    distribution.

    Args:
        initial_std: from a layer's fan-in to the standard deviation of its weights and biases.

    Raises:
        UserError: if there is no such layer, or the weight of one is no parameter of its own.
    """
    layers = prunable_layers(model)
    if not layers:
        raise UserError("the network has no linear, convolutional or attention layer that torch-blue could convert")
    known: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}
    for name, layer in layers.items():
        before = {variable: p for variable, p in layer.named_parameters(recurse=False)}
        weight = next(p for variable, p in before.items() if variable.endswith("weight"))
        fan_in = nn.init._calculate_fan_in_and_fan_out(weight)[0]
        _convert_layer(layer)
        for tensor in _tensors_of(name, layer):
            mean, log_std = known.setdefault(id(before[tensor.variable]), (tensor.mean, tensor.log_std))
            if mean is not tensor.mean:
                setattr(layer, f"_{tensor.variable}_mean", mean)
                setattr(layer, f"_{tensor.variable}_log_std", log_std)
                continue
            nn.init.constant_(log_std, math.log(initial_std(fan_in)))
            for parameter in (mean, log_std):
                parameter.requires_grad_(before[tensor.variable].requires_grad)


def _convert_layer(layer: nn.Module) -> None:
    from torch_blue import vi
    from torch_blue.vi.distributions import MeanFieldNormal

    if type(layer) is nn.MultiheadAttention:
        layer.__class__ = _Attention
    children, layer._modules = layer._modules, {}  # which are converted in their turn
    try:
        vi.convert_to_vimodule(
            layer, keep_weights=True, variational_distribution=MeanFieldNormal(), prior=MeanFieldNormal(0.0, 1.0)
        )
    finally:
        layer._modules = children
    _as_inner_layer(layer)


class _Attention(nn.MultiheadAttention):
    """Attention of another name: torch-blue's own has no dropout, and its output projection under another name."""


def _as_inner_layer(layer: Any) -> None:
    layer._has_sampling_responsibility = False
    layer._fast_path_flag = False


def variational_tensors(model: nn.Module) -> list[VariationalTensor]:
    """Return the variational tensors of a converted network, in module order."""
    from torch_blue.vi import VIModule

    layers = {name: module for name, module in model.named_modules() if isinstance(module, VIModule)}
    found: dict[int, VariationalTensor] = {}
    for tensor in (tensor for name, layer in layers.items() for tensor in _tensors_of(name, layer)):
        if (first := found.setdefault(id(tensor.mean), tensor)) is not tensor:
            place = (tensor.name, tensor.layer, tensor.variable)
            found[id(tensor.mean)] = replace(first, shared_by=(*first.shared_by, place))
    return [*found.values()]


def _tensors_of(name: str, layer: Any) -> Iterator[VariationalTensor]:
    for variable, distribution in layer.variational_distribution.items():
        if distribution is not None:
            mean, log_std = layer.get_variational_parameters(variable)
            yield VariationalTensor(f"{name}.{variable}" if name else variable, layer, variable, mean, log_std)


def deterministic_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of a converted network that are no part of a distribution, by name."""
    distributed = {id(p) for tensor in variational_tensors(model) for p in (tensor.mean, tensor.log_std)}
    return {name: p for name, p in model.named_parameters() if id(p) not in distributed}


def memory_of_sample(first: VariationalTensor, size: int) -> Tensor:
    """Return the memory (size,) that stays with a network for the sample of its weights in use.

    It lies beside the first layer's parameters, and is no part of the state dict.

    Args:
        first: the network's first variational tensor.
    """
    kept: Tensor | None = first.layer.__dict__.get(_SAMPLE)
    if kept is None or (kept.numel(), kept.device, kept.dtype) != (size, first.mean.device, first.mean.dtype):
        kept = first.layer.__dict__[_SAMPLE] = torch.empty(size, device=first.mean.device, dtype=first.mean.dtype)
    return kept


@contextmanager
def weights_in_place(tensors: Sequence[VariationalTensor], sample: Sequence[Tensor]) -> Iterator[None]:
    """Make the layers use one sample of all weights inside the block.

    Args:
        sample: a tensor for each variational tensor, of its shape.
    """
    try:
        for tensor, value in zip(tensors, sample, strict=True):
            for layer, variable in tensor.places:
                layer.__dict__[variable] = value
        yield
    finally:
        for tensor in tensors:
            for layer, variable in tensor.places:
                layer.__dict__.pop(variable, None)


@contextmanager
def linear_outputs_sampled(tensors: Sequence[VariationalTensor], generator: torch.Generator) -> Iterator[None]:
    """Make Linear layers sample their outputs, inside the block, from the distribution that their weights imply.

    Every example gets noise of its own (Kingma et al. 2015, equation 6). Means and log stds get their gradients
    through autograd. A layer that is applied at several positions of an example, as in a transformer, keeps to the
    weights in place: noise of its own at each position would be another objective, as in a convolution.
    """
    layers = {id(tensor.layer): tensor.layer for tensor in tensors if is_linear(tensor)}
    forwards = {key: layer.__dict__["forward"] for key, layer in layers.items()}
    for key, layer in layers.items():
        layer.__dict__["forward"] = functools.partial(_sample_outputs, layer, forwards[key], generator)
    try:
        yield
    finally:
        for key, layer in layers.items():
            layer.__dict__["forward"] = forwards[key]


def is_linear(tensor: VariationalTensor) -> bool:
    """Return whether a tensor belongs to a Linear layer, and to no other."""
    from torch_blue.vi import VILinear

    return isinstance(tensor.layer, VILinear) and not tensor.shared_by


def _sample_outputs(
    layer: Any, with_weights_in_place: Callable[[Tensor], Tensor], generator: torch.Generator, inputs: Tensor
) -> Tensor:
    """Map inputs (B, in) to sampled outputs (B, out); of more dimensions, by the weights in place."""
    if inputs.dim() != 2:
        return with_weights_in_place(inputs)
    has_bias = layer.variational_distribution["bias"] is not None
    mean = F.linear(inputs, layer._weight_mean, layer._bias_mean if has_bias else None)
    with torch.autocast(inputs.device.type, enabled=False):  # variances are too small for half precision
        bias_variance = (2 * layer._bias_log_std).exp() if has_bias else None
        weight_variance = (2 * layer._weight_log_std).exp()
        variance = F.linear(inputs.to(weight_variance.dtype).square(), weight_variance, bias_variance)
    # A unit whose weights are all pruned has no variance, where the square root has no gradient.
    std = variance.clamp_min(torch.finfo(variance.dtype).tiny).sqrt()
    noise = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype)
    return torch.addcmul(mean, std, noise)
