"""Initial weights of linear and convolutional layers, whose biases mostly stay as they were made, and of BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

from foundations.registry import Registry

Initializer: TypeAlias = Callable[[nn.Module], None]

INITIALIZERS: Registry[Initializer] = Registry("model_init")
BATCHNORM_INITIALIZERS: Registry[Initializer] = Registry("batchnorm_init")


@INITIALIZERS.register("binary")
def binary(module: nn.Module) -> None:
    """Draw weights from {-std, std}, with the Kaiming std sqrt(2 / fan_in).

    Source: "signed constant" weights, Ramanujan et al., What's Hidden in a Randomly Weighted Neural Network?
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        # The signs are those of kaiming_normal under the same seed.
        nn.init.kaiming_normal_(module.weight)
        fan_in = module.weight[0].numel()
        with torch.no_grad():
            module.weight.sign_().mul_((2 / fan_in) ** 0.5)


@INITIALIZERS.register("kaiming_normal")
def kaiming_normal(module: nn.Module) -> None:
    """Draw weights from N(0, 2 / fan_in).

    Source: He et al., Delving Deep into Rectifiers, section 2.2.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_normal_(module.weight)


@INITIALIZERS.register("kaiming_uniform")
def kaiming_uniform(module: nn.Module) -> None:
    """Draw weights from U(-b, b) with b = sqrt(6 / fan_in), whose variance is 2 / fan_in.

    Source: He et al., Delving Deep into Rectifiers, section 2.2.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.kaiming_uniform_(module.weight)


@INITIALIZERS.register("torch_default")
def torch_default(module: nn.Module) -> None:
    """Draw weights and biases from U(-b, b) with b = 1 / sqrt(fan_in), as PyTorch's layers and torch-blue's means do.

    Source: torch.nn.Linear.reset_parameters, which calls it kaiming_uniform with a = sqrt(5).
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        module.reset_parameters()


@INITIALIZERS.register("orthogonal")
def orthogonal(module: nn.Module) -> None:
    """Draw a random (semi-)orthogonal matrix of shape (outputs, fan_in).

    Source: Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.orthogonal_(module.weight)


@INITIALIZERS.register("as_built")
def as_built(module: nn.Module) -> None:
    """Leave weights as the network's own code has drawn them."""


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


@BATCHNORM_INITIALIZERS.register("as_built")
def batchnorm_as_built(module: nn.Module) -> None:
    """Leave weights and biases as the network's own code has set them."""
