"""Initial weights (scales) and biases (shifts) of BatchNorm layers."""

from __future__ import annotations

from torch import nn

from foundations.registry import Registry
from models.initializers import Initializer

BATCHNORM_INITIALIZERS: Registry[Initializer] = Registry("batchnorm_init")


@BATCHNORM_INITIALIZERS.register("uniform")
def uniform(module: nn.Module) -> None:
    """Draw weights from U[0, 1) and set biases to 0."""
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.uniform_(module.weight, 0, 1)
        nn.init.zeros_(module.bias)


@BATCHNORM_INITIALIZERS.register("fixed")
def fixed(module: nn.Module) -> None:
    """Set weights to 1 and biases to 0."""
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


@BATCHNORM_INITIALIZERS.register("oneone")
def oneone(module: nn.Module) -> None:
    """Set weights to 1 and biases to 1."""
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.ones_(module.weight)
        nn.init.ones_(module.bias)


@BATCHNORM_INITIALIZERS.register("positivenegative")
def positivenegative(module: nn.Module) -> None:
    """Draw weights from U[-1, 1) and set biases to 0."""
    if isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.uniform_(module.weight, -1, 1)
        nn.init.zeros_(module.bias)
