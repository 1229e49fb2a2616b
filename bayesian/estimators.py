"""How weights are sampled in training: estimators of the expected log likelihood's gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from foundations.registry import Registry

Noise = Callable[[int, int, torch.Generator], Iterator[Tensor]]
"""(number of samples, number of weights, generator) -> that many vectors of standard normal noise, one at a time."""


@dataclass(frozen=True)
class Estimator:
    """A way of sampling weights.

    Args:
        noise: the noise behind samples of the weights.
        local_in_linear_layers: whether Linear layers sample their outputs instead of their weights.
        multiple: what the number of samples must be a multiple of.
    """

    noise: Noise
    local_in_linear_layers: bool = False
    multiple: int = 1


ESTIMATORS: Registry[Estimator] = Registry("bayesian_estimator")


def independent(samples: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw every sample of all weights independently (Blundell et al. 2015; paper section 4)."""
    for _ in range(samples):
        yield torch.randn(size, generator=generator, device=generator.device)


def antithetic(samples: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw samples in pairs of opposite noise: unbiased, and what is linear in the noise cancels."""
    for _ in range(samples // 2):
        noise = torch.randn(size, generator=generator, device=generator.device)
        yield noise
        yield -noise


ESTIMATORS.register("weights")(Estimator(independent))
ESTIMATORS.register("antithetic")(Estimator(antithetic, multiple=2))
# Each example gets noise of its own in Linear layers (Kingma et al. 2015). Convolutions, and Linear layers applied at
# several positions of an example, sample weights: there it would be another objective.
ESTIMATORS.register("local_reparameterization")(Estimator(independent, local_in_linear_layers=True))
