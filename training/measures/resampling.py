"""What chance does to calibration errors: their floor, and how far a measured one can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from training.measures.predictive import BINS, bin_indices, calibration_errors, top_label

DRAWS = 1000
COVERAGE = 0.95
_NUMBERS_AT_ONCE = 1 << 20


def calibration_floors(probabilities: Tensor, generator: torch.Generator, draws: int = DRAWS) -> dict[str, float]:
    """Return the `ece` and `mace` that perfectly calibrated predictions of the same confidences would have on average.

    They are not 0, since a bin of n examples has a frequency of correct ones that differs from their confidence by
    chance. For each draw the predictions come true with the probability that they state (consistency resampling,
    Broecker and Smith 2007); the mean over draws is returned.

    Args:
        probabilities: (N, classes), in float64.
        generator: of the CPU, for the draws.
    """
    confidence = probabilities.amax(dim=1).cpu()

    def gaps(rows: int) -> tuple[Tensor, Tensor]:
        correct = torch.rand(rows, len(confidence), generator=generator) < confidence
        return correct.to(confidence) - confidence, bin_indices(confidence).expand(rows, -1)

    errors = _errors(gaps, len(confidence), draws)
    return {name: float(values.mean()) for name, values in errors.items()}


def bootstrap_intervals(
    probabilities: Tensor, labels: Tensor, generator: torch.Generator, draws: int = DRAWS
) -> dict[str, tuple[float, float]]:
    r"""Return 95 % intervals of the `ece` and `mace` that would be measured on other examples, as many as these.

    The examples are drawn again with replacement (Efron 1979). Chance pushes a calibration error up, and that of drawn
    examples once more; so their percentiles are moved to have the measured error as their mean. A floor
    (`calibration_floors`) within the interval means that these predictions may be perfectly calibrated.

    .. math:: \left[\hat e + e^*_{0.025} - \overline{e^*},\ \hat e + e^*_{0.975} - \overline{e^*}\right]

    Args:
        probabilities: (N, classes), in float64.
        labels: (N,) class indices.
        generator: of the CPU, for the draws.
    """
    correct, confidence = (values.cpu() for values in top_label(probabilities, labels))
    gaps, bins, count = correct - confidence, bin_indices(confidence), len(confidence)

    def drawn(rows: int) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(count, (rows, count), generator=generator)
        return gaps[chosen], bins[chosen]

    measured = calibration_errors(*_sums(gaps[None], bins[None]))
    tails = torch.tensor([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], dtype=torch.float64)
    intervals = {}
    for name, values in _errors(drawn, count, draws).items():
        low, high = (measured[name] + values.quantile(tails) - values.mean()).clamp_min(0.0).tolist()
        intervals[name] = (low, high)
    return intervals


def _errors(draw: Callable[[int], tuple[Tensor, Tensor]], count: int, draws: int) -> dict[str, Tensor]:
    """Return the calibration errors (draws,) of draws that are made some at a time.

    Args:
        draw: from a number of rows to the examples' gaps and bins, (rows, count) each.
    """
    parts = [calibration_errors(*_sums(*draw(rows))) for rows in _rows_at_once(count, draws)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _rows_at_once(count: int, draws: int) -> Iterator[int]:
    at_once = max(1, _NUMBERS_AT_ONCE // count)
    yield from (min(at_once, draws - start) for start in range(0, draws, at_once))


def _sums(gaps: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of gaps (rows, N) over the bins that they are in, and the bins' sizes, (rows, bins) each."""
    shape = (len(gaps), BINS)
    cells = (bins + BINS * torch.arange(len(gaps))[:, None]).flatten()
    sums = torch.bincount(cells, gaps.flatten(), minlength=shape[0] * BINS).view(shape)
    return sums, torch.bincount(cells, minlength=shape[0] * BINS).view(shape).double()
