"""Measures of a predictive distribution against the labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.objective import accuracy

BINS = 10
"""Equal-width bins of the confidence, for every calibration error."""

_ROWS_AT_ONCE = 8192


def measure(log_probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return every measure of a predictive distribution.

    Args:
        log_probabilities: (N, classes), the log of the predictive distribution.
        labels: (N,) class indices.

    Returns:
        `loss` (the mean negative log likelihood, in nats), `accuracy` (a fraction), `examples` (N), `brier`, `ece`,
        `mace` and `mace_pooled`.
    """
    probabilities = log_probabilities.double().exp()
    return {
        "loss": float(F.nll_loss(log_probabilities.double(), labels)),
        "accuracy": float(accuracy(log_probabilities, labels)),
        "examples": float(len(labels)),
        "brier": float(brier_score(probabilities, labels)),
        "ece": float(expected_calibration_error(probabilities, labels)),
        "mace": float(mean_absolute_calibration_error(probabilities, labels)),
        "mace_pooled": float(pooled_mean_absolute_calibration_error(probabilities, labels)),
    }


def entropies(log_probabilities: Tensor) -> Tensor:
    """Return the entropy of each row of (N, classes), in nats: (N,) in float64, where the device has it."""
    precision = torch.float32 if log_probabilities.device.type == "mps" else torch.float64
    parts = log_probabilities.split(_ROWS_AT_ONCE)
    return torch.cat([torch.special.entr(part.to(precision).exp()).sum(dim=1) for part in parts])


def brier_score(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared distance of (N, classes) from the one-hot labels, summed over classes (Brier 1950)."""
    return (probabilities - F.one_hot(labels, probabilities.shape[1])).square().sum(dim=1).mean()


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Tensor:
    """Return the gap between confidence and accuracy, averaged over examples (Guo et al. 2017, equation 3)."""
    return _calibration_errors(probabilities, labels, bins)["ece"]


def mean_absolute_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Tensor:
    r"""Return the gap between confidence and accuracy, averaged over bins: MACE.

    Source: Kuhn et al., Bayesian Lottery Ticket Hypothesis, section 3.

    .. math:: \frac{1}{B} \sum_b \frac{1}{|S_b|} \left| \sum_{i \in S_b} (1[\hat y_i = y_i] - \hat p_i) \right|

    The bins have equal widths on the confidence of the predicted class; an empty one counts 0.
    """
    return _calibration_errors(probabilities, labels, bins)["mace"]


def _calibration_errors(probabilities: Tensor, labels: Tensor, bins: int) -> dict[str, Tensor]:
    correct, confidence = top_label(probabilities, labels)
    gaps = _binned(correct - confidence, confidence, bins)
    return calibration_errors(gaps, _binned(torch.ones_like(confidence), confidence, bins))


def calibration_errors(gaps: Tensor, sizes: Tensor) -> dict[str, Tensor]:
    """Return `ece` and `mace`, (...), from what is in each bin of the confidence.

    Args:
        gaps: (..., bins), the sum over a bin's examples of correct (0 or 1) minus confidence.
        sizes: (..., bins), how many these are.
    """
    gaps = gaps.abs()
    return {"ece": gaps.sum(dim=-1) / sizes.sum(dim=-1), "mace": (gaps / sizes.clamp_min(1.0)).mean(dim=-1)}


def pooled_mean_absolute_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = BINS) -> Tensor:
    """Return MACE as the code that Kuhn et al. released has it, instead of their section 3's formula.

    The probabilities of all classes are pooled, and a bin's centre stands for the confidence in it.
    """
    hits = F.one_hot(labels, probabilities.shape[1]).to(probabilities).flatten()
    pooled = probabilities.flatten()
    sizes = _binned(torch.ones_like(pooled), pooled, bins)
    frequency = _binned(hits, pooled, bins) / sizes.clamp_min(1.0)
    centres = (torch.arange(bins, device=pooled.device, dtype=pooled.dtype) + 0.5) / bins
    return ((frequency - centres).abs() * (sizes > 0)).mean()


def reliability(log_probabilities: Tensor, labels: Tensor, bins: int = BINS) -> dict[str, list[float]]:
    """Return what a reliability diagram is drawn from (Guo et al. 2017, section 2), for each bin of the confidence.

    Returns:
        `examples` (how many are in the bin), and the sums over them of `confidence` and `correct`.
    """
    correct, confidence = top_label(log_probabilities.double().exp(), labels)
    values = {"examples": torch.ones_like(confidence), "confidence": confidence, "correct": correct}
    return {name: _binned(value, confidence, bins).tolist() for name, value in values.items()}


def top_label(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return whether the most probable class of (N, classes) is the label's, as 0 or 1, and its probability: (N,)."""
    confidence, predicted = probabilities.max(dim=1)
    return (predicted == labels).to(probabilities), confidence


def bin_indices(confidence: Tensor, bins: int = BINS) -> Tensor:
    """Return in which bin (k/B, (k+1)/B] each confidence is; 0 falls into the first."""
    return (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)


def _binned(values: Tensor, confidence: Tensor, bins: int) -> Tensor:
    """Return the sums (bins,) of values over the bins of the confidence."""
    sums = torch.zeros(bins, dtype=values.dtype, device=values.device)
    return sums.index_add(0, bin_indices(confidence, bins), values)
