"""Temperature scaling: one number, fitted on held-out examples, that makes predictions more or less confident."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from foundations.randomness import derive_seed

LOWEST, HIGHEST = 0.01, 100.0
"""Where temperatures end: for some predictions the best one is 0 or infinite."""

_LEAST_LOG = -1e30
"""What stands for the log of 0, with which nothing can be computed."""


def scale_by_temperature(log_probabilities: Tensor, temperature: Tensor | float) -> Tensor:
    """Return the log of the probabilities to the power of 1/T, normalised: float64, (N, classes).

    This is temperature scaling of the logits (Guo et al. 2017, equation 9), or of the log of an average of
    probabilities (Ashukha et al. 2020, section 3).

    Args:
        log_probabilities: (N, classes), or logits.
        temperature: one, or one for each example, (N,).
    """
    temperatures = torch.as_tensor(temperature, dtype=torch.float64, device=log_probabilities.device).reshape(-1, 1)
    return (log_probabilities.double().clamp_min(_LEAST_LOG) / temperatures).log_softmax(dim=1)


def fit_temperature(log_probabilities: Tensor, labels: Tensor) -> float:
    """Return the temperature, from 0.01 to 100, under which the mean negative log likelihood is least.

    The likelihood is concave in 1/T, so the zero of its derivative is found to the last digits. Without examples the
    temperature is 1.

    Args:
        log_probabilities: (N, classes), or logits, of held-out examples.
        labels: (N,) class indices.
    """
    from scipy.optimize import brentq

    if len(labels) == 0:
        return 1.0
    logits = log_probabilities.double().clamp_min(_LEAST_LOG)
    of_labels = logits.gather(1, labels[:, None]).mean()

    def slope(log_inverse: float) -> float:
        expected = ((math.exp(log_inverse) * logits).softmax(dim=1) * logits).sum(dim=1).mean()
        return float(expected - of_labels)

    coldest, hottest = -math.log(LOWEST), -math.log(HIGHEST)
    if slope(hottest) >= 0:
        return HIGHEST
    if slope(coldest) <= 0:
        return LOWEST
    return math.exp(-brentq(slope, hottest, coldest, xtol=1e-13))


def cross_fitted_temperatures(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return for each example, (N,), the temperature fitted on the half of the examples that it is not in.

    So the measures of the scaled predictions need no other held-out examples (Ashukha et al. 2020, section 3). The
    halves depend on the number of examples alone.
    """
    generator = torch.Generator().manual_seed(derive_seed("halves_for_temperature"))
    halves = torch.randperm(len(labels), generator=generator).to(labels.device).tensor_split(2)
    temperatures = torch.empty(len(labels), dtype=torch.float64, device=labels.device)
    for half, other in (halves, halves[::-1]):
        temperatures[half] = fit_temperature(log_probabilities[other], labels[other])
    return temperatures
