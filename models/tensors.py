"""The names of tensors that pruning and freezing treat alike: prunable weights, the output layer, BatchNorm.

A name is the module's dotted name and `weight` or `bias`. Other variants keep these names for what stands in
a tensor's place, so masks move by name between them.
"""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from foundations.errors import UserError
from models.family import ModelFamily

_WEIGHTS = {
    (
        nn.Linear,
        nn.Conv1d,
        nn.Conv2d,
        nn.Conv3d,
        nn.ConvTranspose1d,
        nn.ConvTranspose2d,
        nn.ConvTranspose3d,
    ): ("weight",),
    (nn.MultiheadAttention,): ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
}
"""The names of the weights that layers multiply features with, those of subclasses too."""


def prunable_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the linear, convolutional and attention layers by their dotted names, in module order.

    Raises:
        UserError: if the weight of one is not its own parameter, or has no shape yet.
    """
    found = {name: module for name, module in model.named_modules() if _weight_names(module)}
    for name, layer in found.items():
        if any(is_lazy(parameter) for parameter in layer.parameters(recurse=False)):
            raise UserError(f"{name}: is a {type(layer).__name__}, whose shape is not known: give its number of inputs")
        if not layer._parameters.keys() & {*_weight_names(layer)}:
            raise UserError(
                f"{name}: its weight is computed from other tensors (weight_norm, spectral_norm or another "
                "parametrisation), so it can be neither pruned nor random; build the network without it"
            )
    return found


def prunable_tensor_names(model: nn.Module) -> list[str]:
    """Return the names of the weights of all these layers, in module order, each once: layers may share it."""
    names: dict[int, str] = {}
    for layer, module in prunable_layers(model).items():
        for name in _weight_names(module):
            if (weight := module._parameters.get(name)) is not None:
                names.setdefault(id(weight), f"{layer}.{name}" if layer else name)
    return [*names.values()]


def _weight_names(module: nn.Module) -> tuple[str, ...]:
    return next((names for kinds, names in _WEIGHTS.items() if isinstance(module, kinds)), ())


def output_tensor_names(model: nn.Module, family: ModelFamily) -> list[str]:
    """Return the names of the output layer's weight and bias, for a network as its family builds it.

    After a swap of layers only `<output_layer>.weight`, from `prunable_tensor_names`, is sure to be there.
    """
    parameters = model.get_submodule(family.output_layer).named_parameters()
    return [f"{family.output_layer}.{name}" for name, _ in parameters]


def batchnorm_tensor_names(model: nn.Module) -> list[str]:
    """Return the names of the weights and biases of all BatchNorm layers, in module order."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    return [f"{name}.{parameter}" for name, module in layers.items() for parameter, _ in module.named_parameters()]
