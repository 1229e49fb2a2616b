"""How weights are sampled in training: estimators of the expected log likelihood's gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bayesian.noise import NoiseRequest, RecycledNoise, antithetic_noise, independent_noise
from foundations.registry import Registry

Noise = Callable[[int, torch.Generator], Iterator[Tensor]]
"""(iteration, its generator) -> a vector of standard normal noise for each sample, one at a time.

If an estimator is `repeatable`, the call does all that differs from iteration to iteration, and iterating does the same
work on the device every time.
"""


@dataclass(frozen=True)
class Estimator:
    """A way of sampling weights.

    Args:
        noise: from what a training run asks for to the noise behind its samples of the weights.
        local_in_linear_layers: whether Linear layers sample their outputs instead of their weights.
        multiple: what the number of samples must be a multiple of.
        repeatable: whether a GPU can record the drawing of an iteration's noise and replay it for others; see `Noise`.
    """

    noise: Callable[[NoiseRequest], Noise]
    local_in_linear_layers: bool = False
    multiple: int = 1
    repeatable: bool = False


ESTIMATORS: Registry[Estimator] = Registry("bayesian_estimator")

ESTIMATORS.register("weights")(Estimator(independent_noise, repeatable=True))
ESTIMATORS.register("antithetic")(Estimator(antithetic_noise, multiple=2, repeatable=True))
# Each example gets noise of its own in Linear layers (Kingma et al. 2015). Convolutions, and Linear layers applied at
# several positions of an example, sample weights: there it would be another objective.
ESTIMATORS.register("local_reparameterization")(
    Estimator(independent_noise, local_in_linear_layers=True, repeatable=True)
)
ESTIMATORS.register("recycled")(Estimator(RecycledNoise, repeatable=True))
