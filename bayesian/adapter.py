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
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import prunable_layers

_VARIABLES = ("weight", "bias")
_SAMPLE = "memory_of_sample"


@dataclass(frozen=True)
class VariationalTensor:
    """One weight or bias tensor and its mean-field normal distribution.

    Args:
        name: the name of the deterministic tensor in its place, e.g. `conv.weight`.
        layer: the torch-blue layer.
        variable: `weight` or `bias`.
        mean: the posterior means.
        log_std: the logarithms of the posterior standard deviations.
    """

    name: str
    layer: Any
    variable: str
    mean: nn.Parameter
    log_std: nn.Parameter

    @property
    def state_names(self) -> tuple[str, str]:
        """The names of mean and log std in the network's state dict."""
        layer_name = self.name.rpartition(".")[0]
        return f"{layer_name}._{self.variable}_mean", f"{layer_name}._{self.variable}_log_std"


def convert(model: nn.Module, initial_std: Callable[[int], float]) -> None:
    """Turn every Linear and Conv2d into torch-blue's layer, in place; everything else stays deterministic.

    The means are the weights that are there. What is frozen stays frozen.

    Args:
        initial_std: from a layer's fan-in to the standard deviation of its weights and biases.
    """
    for name, layer in prunable_layers(model).items():
        fan_in = nn.init._calculate_fan_in_and_fan_out(layer.weight)[0]  # type: ignore[arg-type]
        trainable = {variable: p.requires_grad for variable, p in layer.named_parameters(recurse=False)}
        _convert_layer(layer)
        for tensor in _tensors_of(name, layer):
            nn.init.constant_(tensor.log_std, math.log(initial_std(fan_in)))
            for parameter in (tensor.mean, tensor.log_std):
                parameter.requires_grad_(trainable[tensor.variable])


def _convert_layer(layer: nn.Module) -> None:
    from torch_blue import vi
    from torch_blue.vi.distributions import MeanFieldNormal

    vi.convert_to_vimodule(
        layer, keep_weights=True, variational_distribution=MeanFieldNormal(), prior=MeanFieldNormal(0.0, 1.0)
    )
    _as_inner_layer(layer)


def _as_inner_layer(layer: Any) -> None:
    layer._has_sampling_responsibility = False
    layer._fast_path_flag = False


def variational_tensors(model: nn.Module) -> list[VariationalTensor]:
    """Return the variational tensors of a converted network, in module order."""
    from torch_blue.vi import VIModule

    layers = {name: module for name, module in model.named_modules() if isinstance(module, VIModule)}
    return [tensor for name, layer in layers.items() for tensor in _tensors_of(name, layer)]


def _tensors_of(name: str, layer: Any) -> Iterator[VariationalTensor]:
    for variable in _VARIABLES:
        if layer.variational_distribution.get(variable) is not None:
            mean, log_std = layer.get_variational_parameters(variable)
            yield VariationalTensor(f"{name}.{variable}", layer, variable, mean, log_std)


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
            tensor.layer.__dict__[tensor.variable] = value
        yield
    finally:
        for tensor in tensors:
            tensor.layer.__dict__.pop(tensor.variable, None)


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
    """Return whether a tensor belongs to a Linear layer."""
    from torch_blue.vi import VILinear

    return isinstance(tensor.layer, VILinear)


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
