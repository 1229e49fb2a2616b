"""From predictions of test, shifted and other images to the numbers that an evaluation keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from datasets import SEVERITIES
from foundations.randomness import derive_seed
from open_lth.evaluation_request import Evaluation, EvaluationRequest
from training import (
    Prediction,
    area_under_risk_coverage_curve,
    bootstrap_intervals,
    calibration_floors,
    cross_fitted_temperatures,
    detection_measures,
    fit_temperature,
    measure,
    reliability,
    scale_by_temperature,
    uncertainty_scores,
)

TEST, VALIDATION, SHIFT, OOD = "test", "validation", "shift", "ood"

Values = Mapping[str, Any]
"""What is kept of a measure: mean, std over passes (of the sample; None for one pass) and values."""


@dataclass(frozen=True)
class Examples:
    """Some of the images that an evaluation looks at.

    Args:
        kind: `test`, `validation`, `shift` or `ood`.
        name: which shift, or which images out of distribution.
        severity: of a shift, 1 to 5.
    """

    kind: str
    name: str = ""
    severity: int = 0


def sequence(request: EvaluationRequest, has_validation: bool) -> Iterator[tuple[Examples, int]]:
    """Iterate over the examples of an evaluation and its passes, each after those whose numbers it needs.

    Args:
        has_validation: whether there are held-out examples, on which the temperature is fitted.
    """
    own = [Examples(VALIDATION), Examples(TEST)] if has_validation else [Examples(TEST)]
    yield from ((examples, index) for index in range(request.passes) for examples in own)
    others = [Examples(SHIFT, name, severity) for name in request.shifts for severity in SEVERITIES]
    others += [Examples(OOD, name) for name in request.ood]
    yield from ((examples, index) for examples in others for index in range(request.passes))


class Assessment:
    """The numbers of an evaluation, gathered from its predictions in the order of `sequence`."""

    def __init__(self) -> None:
        self._final: list[dict[str, float]] = []
        self._bins: list[Mapping[str, Sequence[float]]] = []
        self._validation: list[float] = []
        self._temperatures: list[Tensor | float] = []
        self._scores: list[dict[str, Tensor]] = []
        self._shift: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
        self._ood: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))

    def add(self, examples: Examples, index: int, prediction: Prediction, labels: Tensor) -> None:
        """Add what was predicted in a pass; the labels of what is out of distribution mean nothing."""
        log_probabilities = prediction.log_probabilities
        if examples.kind == VALIDATION:
            self._validation.append(fit_temperature(log_probabilities, labels))
        elif examples.kind == TEST:
            self._add_test(prediction, labels)
        elif examples.kind == SHIFT:
            found = _measured(log_probabilities, labels, self._temperatures[index])
            self._shift[examples.name][str(examples.severity)].append(found)
        else:
            outside = uncertainty_scores(log_probabilities, prediction.sample_entropies)
            for score, inside in self._scores[index].items():
                self._ood[examples.name][score].append(detection_measures(inside, outside[score]))

    def _add_test(self, prediction: Prediction, labels: Tensor) -> None:
        log_probabilities, index = prediction.log_probabilities, len(self._final)
        held_out = bool(self._validation)
        temperature = self._validation[index] if held_out else cross_fitted_temperatures(log_probabilities, labels)
        self._temperatures.append(temperature)
        self._scores.append(uncertainty_scores(log_probabilities, prediction.sample_entropies))
        self._bins.append(reliability(log_probabilities, labels))
        found = _measured(log_probabilities, labels, temperature)
        found["temperature"] = float(torch.as_tensor(temperature, dtype=torch.float64).mean())
        self._final.append({**found, **_chance(log_probabilities.double().exp(), labels)})

    def final(self) -> dict[str, Any]:
        """Return the measures of the test examples, and the bins of a reliability diagram, summed over passes."""
        bins = {
            name: [sum(values) for values in zip(*(one[name] for one in self._bins), strict=True)]
            for name in self._bins[0]
        }
        fitted_on = "validation" if self._validation else "halves of the test set"
        return {"final": spreads(self._final), "reliability": bins, "temperature_fitted_on": fitted_on}

    def shift(self) -> dict[str, dict[str, Any]]:
        """Return the measures by shift and severity."""
        return {
            name: {severity: spreads(values) for severity, values in own.items()} for name, own in self._shift.items()
        }

    def ood(self) -> dict[str, dict[str, Any]]:
        """Return how well each score tells what is out of distribution, by what that is."""
        return {name: {score: spreads(values) for score, values in own.items()} for name, own in self._ood.items()}


def _measured(log_probabilities: Tensor, labels: Tensor, temperature: Tensor | float) -> dict[str, float]:
    """Return the measures of predictions, and those after their temperature."""
    scaled = measure(scale_by_temperature(log_probabilities, temperature), labels)
    return {
        **measure(log_probabilities, labels),
        "aurc": float(area_under_risk_coverage_curve(log_probabilities, labels)),
        "scaled_loss": scaled["loss"],
        "scaled_ece": scaled["ece"],
    }


def _chance(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the floors and the intervals of the calibration errors; equal predictions have equal ones."""
    streams = {name: torch.Generator().manual_seed(derive_seed("calibration", name)) for name in ("floor", "bootstrap")}
    floors = calibration_floors(probabilities, streams["floor"])
    found = {f"{name}_floor": value for name, value in floors.items()}
    for name, (low, high) in bootstrap_intervals(probabilities, labels, streams["bootstrap"]).items():
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def first_passes(found: Evaluation, passes: int) -> Evaluation:
    """Return an evaluation with the measures of its first passes alone; bins of reliability diagrams have no passes."""

    def first(measures: Mapping[str, Values]) -> dict[str, Values]:
        return {name: _spread(values["values"][:passes]) for name, values in measures.items()}

    def by_name(of: Mapping[str, Mapping[str, Mapping[str, Values]]]) -> dict[str, Any]:
        return {name: {part: first(measures) for part, measures in own.items()} for name, own in of.items()}

    return {**found, "final": first(found["final"]), **{kind: by_name(found.get(kind, {})) for kind in (SHIFT, OOD)}}


def spreads(measured: Sequence[Mapping[str, float]]) -> dict[str, Values]:
    """Return mean, std and values of each measure over passes."""
    return {name: _spread([values[name] for values in measured]) for name in measured[0]}


def _spread(values: list[float]) -> Values:
    # Summed as differences from the first, equal values have exactly their mean, and no spread.
    mean = values[0] + sum(value - values[0] for value in values) / len(values)
    if len(values) == 1:
        return {"mean": mean, "std": None, "values": values}  # one pass knows no spread
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return {"mean": mean, "std": variance**0.5, "values": values}
