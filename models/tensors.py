"""The names of tensors that pruning and freezing treat alike: prunable weights, the output layer, BatchNorm.

A name is the module's dotted name and `weight` or `bias`. Other variants keep these names for what stands in
a tensor's place, so masks move by name between them.
"""

from __future__ import annotations

from torch import nn

from models.family import ModelFamily

_PRUNABLE_LAYERS = (nn.Linear, nn.Conv2d)


def prunable_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the linear and convolutional layers by their dotted names, in module order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, _PRUNABLE_LAYERS)}


def prunable_tensor_names(model: nn.Module) -> list[str]:
    """Return the names of the weights of all linear and convolutional layers, in module order."""
    return [f"{layer}.weight" for layer in prunable_layers(model)]


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
