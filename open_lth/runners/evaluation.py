"""Measures of finished runs and ensembles, with repeated passes (the error bars of Kuhn et al., figure 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from foundations.atomic import sweep_temporaries
from foundations.errors import InvalidValue, UserError
from foundations.paths import RunPaths
from foundations.ranks import Ranks
from foundations.storage import read_json, write_json
from open_lth.evaluation_request import Evaluation, EvaluationRequest
from open_lth.runners.assessment import Assessment, sequence
from open_lth.runners.ensembles import Ensemble, ensembles_of
from open_lth.runners.networks import Networks
from open_lth.runners.once import do_once
from training import MetricLogger, TrainingRun


def evaluate_run(run: TrainingRun, request: EvaluationRequest) -> Evaluation:
    """Measure a run's final network several times and keep the result beside it, in `evaluation.json`.

    Passes differ in the weights that a stochastic network draws, and in nothing else: in each the same weights see the
    test examples, the shifted ones and those out of distribution. What has been measured with as many passes before is
    not measured again, and stays.

    Returns:
        `final`, with mean, std (of the sample; None for one pass) and values of every measure over the passes;
        `reliability`, the bins of a reliability diagram, summed over the passes; `temperature_fitted_on`, where the
        temperature of the scaled measures is from; `peak`, the measures logged at the epoch of the best test accuracy
        (Kuhn et al., section 4); `passes`; `step`; `diagnostics`, what the variant says of its network, by layer;
        `shift`, measures by shift and severity; `ood`, detection measures by what is out of distribution and by score.

    Raises:
        UserError: if the run is not finished, or what is asked for cannot be had.
        RunIsLocked: if another process is at it, and goes on for longer than this one may wait.
    """
    if request.passes < 1:
        raise InvalidValue("passes", request.passes, "must be at least 1")
    if not run.is_done:
        raise UserError(f"{run.paths.directory}: is not finished; the command without `evaluate` finishes it")
    return _evaluated((run,), run.paths, request)


def evaluate_ensemble(ensemble: Ensemble, request: EvaluationRequest) -> Evaluation:
    """Measure the average of several runs' predictions and keep the result, in the ensemble's `evaluation.json`.

    Returns:
        What `evaluate_run` does, but for `peak` and `diagnostics`; and `members`, the runs' directories, relative to
        the root. If there were others before, everything is measured anew.

    Raises:
        UserError: if what is asked for cannot be had.
        RunIsLocked: if another process is at it, and goes on for longer than this one may wait.
    """
    return _evaluated(ensemble.members, ensemble.paths, request)


def _evaluated(runs: tuple[TrainingRun, ...], paths: RunPaths, request: EvaluationRequest) -> Evaluation:
    if request.samples:
        runs = tuple(replace(run, variant=run.variant.with_evaluation_samples(request.samples)) for run in runs)
    do_once(
        paths.directory,
        runs[0].context,
        is_done=lambda: not _missing(runs, paths, request),
        work=lambda: _evaluate(runs, paths, request),
    )
    kept: Evaluation = read_json(request.place(paths))
    return kept


def _missing(runs: tuple[TrainingRun, ...], paths: RunPaths, request: EvaluationRequest) -> list[str]:
    """Return what has to be measured; what older versions did not measure of the test examples counts."""
    earlier = earlier_evaluation(request.place(paths)) or {}
    if earlier.get("members") != _members(runs):
        earlier = {}
    missing = request.missing_from(earlier)
    is_old = "aurc" not in earlier.get("final", {})
    return missing if "test" in missing or not is_old else ["test", *missing]


def _members(runs: tuple[TrainingRun, ...]) -> list[str] | None:
    """Return the names of an ensemble's members; a run alone is none."""
    return [str(run.paths.directory.relative_to(run.context.root)) for run in runs] if len(runs) > 1 else None


def _evaluate(runs: tuple[TrainingRun, ...], paths: RunPaths, request: EvaluationRequest) -> None:
    sweep_temporaries(paths.directory, request.place(paths).name)
    earlier = earlier_evaluation(request.place(paths)) or {}
    if earlier.get("members") != _members(runs):
        earlier = {}
    missing = _missing(runs, paths, request)
    only_missing = replace(
        request,
        passes=max(request.passes, earlier.get("passes", 0)) if "test" in missing else request.passes,
        shifts=tuple(name for name in request.shifts if name in missing),
        ood=tuple(name for name in request.ood if name in missing),
    )
    models = tuple(run.load_network(run.end) for run in runs)
    alone = tuple(run.without_ranks() for run in runs)
    with runs[0].context.ranks.leading(_assess_along, alone, only_missing):
        assessment = _assess(Networks(runs, models, request.on), only_missing)
    result = {"step": str(runs[0].end), **earlier}
    if "test" in missing:
        result |= {"passes": only_missing.passes, **assessment.final()}
        _check_losses(result["final"]["loss"]["values"], paths)
    if len(runs) > 1:
        result["members"] = _members(runs)
    else:
        result["peak"] = {} if request.on else peak_measures(MetricLogger.load(runs[0].paths.logger))
        result["diagnostics"] = runs[0].variant.diagnostics(models[0])
    for kind, found in (("shift", assessment.shift()), ("ood", assessment.ood())):
        if found:
            result[kind] = {**result.get(kind, {}), **found}
    write_json(request.place(paths), result)


def _check_losses(losses: Sequence[float], paths: RunPaths) -> None:
    for index, loss in enumerate(losses):
        if not math.isfinite(loss):
            text = f"pass {index + 1}: the loss is {loss}, so nothing is kept; try --precision=fp32 if it is another"
            raise UserError(f"{paths.directory}: {text}")


def _assess(networks: Networks, request: EvaluationRequest) -> Assessment:
    """Predict everything, on all processes of the run, and return the numbers."""
    assessment = Assessment()
    for examples, index in sequence(request, networks.has_validation):
        assessment.add(examples, index, *networks.predict(examples, f"pass {index}"))
    return assessment


def _assess_along(ranks: Ranks, runs: tuple[TrainingRun, ...], request: EvaluationRequest) -> None:
    """Predict along with the leader, from which the networks come."""
    runs = tuple(replace(run, context=run.context.on(ranks)) for run in runs)
    _assess(Networks(runs, tuple(run.new_network(seed=0) for run in runs), request.on), request)


def earlier_evaluation(path: Path) -> Evaluation | None:
    """Return what an evaluation has kept in a file, or None if there was none.

    Raises:
        UserError: if the file is damaged.
    """
    if not path.exists():
        return None
    earlier: Evaluation = read_json(path)
    try:
        is_whole = {"passes", "final", "step"} <= earlier.keys() and isinstance(earlier["final"], dict)
        EvaluationRequest(1, tuple(earlier.get("shift", ())), tuple(earlier.get("ood", ()))).missing_from(earlier)
    except (AttributeError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise UserError(f"{path}: is no evaluation; delete it to have it made again")
    return earlier


def is_measured(paths: RunPaths, request: EvaluationRequest) -> bool:
    """Return whether an evaluation has kept all that is asked of a run or an ensemble; a damaged file has nothing."""
    return request.is_answered_by(_readable_evaluation(request.place(paths)))


def are_measured(runs: Sequence[TrainingRun], request: EvaluationRequest) -> bool:
    """Return whether all that is asked of runs was kept, of them or of their ensembles as they are now."""
    if not all(place.exists() for place in request.results):
        return False
    if not request.passes or not request.ensemble:
        return not request.passes or all(is_measured(run.paths, request) for run in runs)
    try:
        ensembles = ensembles_of(runs, request.ensemble)
    except UserError:  # there are not enough members yet
        return False
    kept = [_readable_evaluation(request.place(ensemble.paths)) for ensemble in ensembles]
    return all(
        request.is_answered_by(one) and one.get("members") == _members(ensemble.members)
        for one, ensemble in zip(kept, ensembles, strict=True)
    )


def _readable_evaluation(path: Path) -> Evaluation:
    try:
        return earlier_evaluation(path) or {}
    except UserError:  # it is named where it is needed
        return {}


def peak_measures(logger: MetricLogger, chosen_by: str = "test_accuracy") -> dict[str, float]:
    """Return the iteration of the best accuracy, the first of equals, and the test measures logged there.

    Args:
        chosen_by: which accuracy; nothing is returned if it was never taken.
    """
    accuracies = logger.get(chosen_by)
    if not accuracies:
        return {}
    best = max(accuracies, key=lambda iteration: (accuracies[iteration], -iteration))
    row = logger.rows()[best]
    measures = {name.removeprefix("test_"): value for name, value in row.items() if name.startswith("test_")}
    return {"iteration": float(best), **measures}
