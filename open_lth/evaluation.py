"""Measures of finished runs, with repeated passes (paper figure 1's error bars)."""

from __future__ import annotations

from typing import Any

import torch

from foundations.errors import InvalidValue, UserError
from foundations.storage import read_json, write_json
from training import MetricLogger, TrainingRun

Evaluation = dict[str, Any]


def evaluate_run(run: TrainingRun, passes: int) -> Evaluation:
    """Measure a run's final network several times and keep the result beside it, in `evaluation.json`.

    Passes over the test set differ in the weights that a stochastic network draws, and in nothing else. If as many
    passes have been made before, they are not made again.

    Returns:
        `final`, with mean, std (of the sample; None for one pass) and values of every measure over the passes;
        `peak`, the measures logged at the epoch of the best test accuracy (paper section 4); `passes`; `step`.

    Raises:
        UserError: if the run is not finished.
    """
    if passes < 1:
        raise InvalidValue("passes", passes, "must be at least 1")
    if not run.is_done:
        raise UserError(f"{run.paths.directory}: is not finished; the command without `evaluate` finishes it")
    if run.paths.evaluation.exists():
        earlier: Evaluation = read_json(run.paths.evaluation)
        if not isinstance(earlier, dict) or not {"passes", "final", "peak", "step"} <= earlier.keys():
            raise UserError(f"{run.paths.evaluation}: is no evaluation; delete it to have it made again")
        if earlier["passes"] >= passes:
            return earlier
    model = run.load_network(run.end).to(run.context.device).to(memory_format=torch.channels_last)
    evaluator = run.evaluator()
    measured = [evaluator.evaluate(model, run.end, f"pass {index}") for index in range(passes)]
    result: Evaluation = {
        "step": str(run.end),
        "passes": passes,
        "final": {name: _spread([values[name] for values in measured]) for name in measured[0]},
        "peak": peak_measures(MetricLogger.load(run.paths.logger)),
    }
    write_json(run.paths.evaluation, result)
    return result


def peak_measures(logger: MetricLogger) -> dict[str, float]:
    """Return the iteration of the best test accuracy, the first of equals, and the test measures logged there."""
    accuracies = logger.get("test_accuracy")
    if not accuracies:
        return {}
    best = max(accuracies, key=lambda iteration: (accuracies[iteration], -iteration))
    row = logger.rows()[best]
    measures = {name.removeprefix("test_"): value for name, value in row.items() if name.startswith("test_")}
    return {"iteration": float(best), **measures}


def _spread(values: list[float]) -> dict[str, Any]:
    # Summed as differences from the first, equal values have exactly their mean, and no spread.
    mean = values[0] + sum(value - values[0] for value in values) / len(values)
    if len(values) == 1:
        return {"mean": mean, "std": None, "values": values}  # one pass knows no spread
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return {"mean": mean, "std": variance**0.5, "values": values}
