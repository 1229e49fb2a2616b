"""Measures of finished runs, with repeated passes (the error bars of Kuhn et al., figure 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from foundations.atomic import sweep_temporaries
from foundations.errors import InvalidValue, UserError
from foundations.ranks import Ranks
from foundations.storage import read_json, write_json
from open_lth.runners.once import do_once
from training import MetricLogger, Prediction, TrainingRun, measure, place, reliability

Evaluation = dict[str, Any]


def evaluate_run(run: TrainingRun, passes: int) -> Evaluation:
    """Measure a run's final network several times and keep the result beside it, in `evaluation.json`.

    Passes over the test set differ in the weights that a stochastic network draws, and in nothing else. If as many
    passes have been made before, they are not made again.

    Returns:
        `final`, with mean, std (of the sample; None for one pass) and values of every measure over the passes;
        `reliability`, the bins of a reliability diagram, summed over the passes; `peak`, the measures logged at the
        epoch of the best test accuracy (Kuhn et al., section 4); `passes`; `step`.

    Raises:
        UserError: if the run is not finished.
        RunIsLocked: if another process is at it, and goes on for longer than this one may wait.
    """
    if passes < 1:
        raise InvalidValue("passes", passes, "must be at least 1")
    if not run.is_done:
        raise UserError(f"{run.paths.directory}: is not finished; the command without `evaluate` finishes it")
    do_once(
        run.paths.directory,
        run.context,
        is_done=lambda: earlier_evaluation(run, passes) is not None,
        work=lambda: _evaluate(run, passes),
    )
    kept: Evaluation = read_json(run.paths.evaluation)
    return kept


def _evaluate(run: TrainingRun, passes: int) -> None:
    sweep_temporaries(run.paths.directory, run.paths.evaluation.name)
    model, measured, bins = run.load_network(run.end), [], []
    task = EvaluationTask(run.without_ranks(), passes, torch.get_num_threads())
    with run.context.ranks.leading(task):
        for prediction, labels in _predictions(run, model, passes):
            measured.append(measure(prediction.log_probabilities, labels))
            bins.append(reliability(prediction.log_probabilities, labels))
    result: Evaluation = {
        "step": str(run.end),
        "passes": passes,
        "final": {name: _spread([values[name] for values in measured]) for name in measured[0]},
        "reliability": _summed(bins),
        "peak": peak_measures(MetricLogger.load(run.paths.logger)),
    }
    write_json(run.paths.evaluation, result)


def _predictions(run: TrainingRun, model: nn.Module, passes: int) -> Iterator[tuple[Prediction, Tensor]]:
    """Yield each pass's prediction and the labels, on all processes of the run."""
    ranks = run.context.ranks
    ranks.send_tensors(model.state_dict())
    model = place(model, run.context)
    evaluator = ranks.leader_first(run.evaluator)
    for index in range(passes):
        yield evaluator.predict(model, run.end, f"pass {index}")


@dataclass(frozen=True)
class EvaluationTask:
    """An evaluation that the leader's processes join; the network comes from the leader."""

    run: TrainingRun
    passes: int
    threads: int

    def follow(self, ranks: Ranks) -> None:
        """Predict along."""
        torch.set_num_threads(self.threads)
        run = replace(self.run, context=self.run.context.on(ranks))
        for _ in _predictions(run, run.new_network(seed=0), self.passes):
            pass


def earlier_evaluation(run: TrainingRun, passes: int) -> Evaluation | None:
    """Return what `evaluate_run` has kept beside a run, or None if that has fewer passes.

    Raises:
        UserError: if the file is damaged.
    """
    if not run.paths.evaluation.exists():
        return None
    earlier: Evaluation = read_json(run.paths.evaluation)
    if not isinstance(earlier, dict) or not {"passes", "final", "peak", "step"} <= earlier.keys():
        raise UserError(f"{run.paths.evaluation}: is no evaluation; delete it to have it made again")
    return earlier if earlier["passes"] >= passes and "reliability" in earlier else None


def is_measured(run: TrainingRun, passes: int) -> bool:
    """Return whether `evaluate_run` has kept as many passes; a damaged file counts as none, and is named elsewhere."""
    try:
        return earlier_evaluation(run, passes) is not None
    except UserError:
        return False


def peak_measures(logger: MetricLogger) -> dict[str, float]:
    """Return the iteration of the best test accuracy, the first of equals, and the test measures logged there."""
    accuracies = logger.get("test_accuracy")
    if not accuracies:
        return {}
    best = max(accuracies, key=lambda iteration: (accuracies[iteration], -iteration))
    row = logger.rows()[best]
    measures = {name.removeprefix("test_"): value for name, value in row.items() if name.startswith("test_")}
    return {"iteration": float(best), **measures}


def _summed(bins: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    return {name: [sum(values) for values in zip(*(one[name] for one in bins), strict=True)] for name in bins[0]}


def _spread(values: list[float]) -> dict[str, Any]:
    # Summed as differences from the first, equal values have exactly their mean, and no spread.
    mean = values[0] + sum(value - values[0] for value in values) / len(values)
    if len(values) == 1:
        return {"mean": mean, "std": None, "values": values}  # one pass knows no spread
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return {"mean": mean, "std": variance**0.5, "values": values}
