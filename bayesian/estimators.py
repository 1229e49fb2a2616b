"""How the noise behind weight samples is drawn in training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from foundations.registry import Registry

Estimator = Callable[[int, int, torch.Generator], Iterator[Tensor]]
"""(number of samples, number of weights, generator) -> that many vectors of standard normal noise, one at a time."""

ESTIMATORS: Registry[Estimator] = Registry("estimator")


@ESTIMATORS.register("weights")
def independent(samples: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw every sample of all weights independently (Blundell et al. 2015; paper section 4)."""
    for _ in range(samples):
        yield torch.randn(size, generator=generator, device=generator.device)


@ESTIMATORS.register("antithetic")
def antithetic(samples: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Draw samples in pairs of opposite noise: unbiased, and what is linear in the noise cancels."""
    for _ in range(samples // 2):
        noise = torch.randn(size, generator=generator, device=generator.device)
        yield noise
        yield -noise
