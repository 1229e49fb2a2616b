"""What the files of a run, or of an ensemble, say: rows of tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from foundations.errors import UnreadableFile
from foundations.metric_logger import MetricLogger
from foundations.paths import REPLICATES, RunPaths
from foundations.storage import read_json, read_text
from open_lth.results.replicates import Replicate, displayed_fields
from open_lth.runners.evaluation import peak_measures
from open_lth.runners.levels import density_of

HYPERPARAMETERS = ("model_name", "dataset_name", "variant_name", "pruning_strategy")
"""The hyperparameters that the table of runs has in any case; the others are in its last columns."""

OTHERS = "other hyperparameters"
"""What holds them in a row of the table of runs, until they have columns."""

SHIFT_MEASURES = ("accuracy", "loss", "ece", "aurc", "scaled_loss", "scaled_ece")
"""The measures that the table of runs has under shift, means over severities."""

Row = dict[str, Any]


def summary_of(paths: RunPaths) -> list[Row]:
    """Return the row of a run or an ensemble in the table of runs, or none if it is not finished.

    Raises:
        UserError: naming a file that is damaged, as the other functions here do.
    """
    if paths.ensemble_of is not None:
        return [{**_identity(paths), **row} for row in _read(paths.evaluation, _ensemble(paths))]
    if not paths.is_finished:
        return []
    row = {**_identity(paths), **_described(paths), **_logged(paths)}
    for path, take in ((paths.evaluation, _evaluated), (paths.timing, _cost)):
        row.update(*_read(path, take))
    return [{**row, "density": density_of(paths)}]


def curves_of(paths: RunPaths) -> list[Row]:
    """Return the rows of a finished run in the table of curves."""
    if not paths.is_finished:
        return []
    identity, entries = _identity(paths), MetricLogger.load(paths.logger).entries()
    length = _iterations_per_epoch(paths, max((iteration for _, iteration, _ in entries), default=0))
    return [
        {**identity, "iteration": iteration, "epoch": iteration / length, "measure": measure, "value": value}
        for measure, iteration, value in entries
    ]


def shifts_of(paths: RunPaths) -> list[Row]:
    """Return the rows of a run or an ensemble in the table of shifts."""
    return _evaluation_rows(paths, lambda kept: _nested(kept.get("shift", {}), "shift", "severity"))


def ood_of(paths: RunPaths) -> list[Row]:
    """Return the rows of a run or an ensemble in the table of what is out of distribution."""
    return _evaluation_rows(paths, lambda kept: _nested(kept.get("ood", {}), "ood", "score"))


def diagnostics_of(paths: RunPaths) -> list[Row]:
    """Return the rows of a run in the table of diagnostics."""

    def take(kept: Mapping[str, Any]) -> list[Row]:
        found = kept.get("diagnostics", {})
        return [
            {"layer": layer, "measure": name, "value": float(value)}
            for layer, measures in found.items()
            for name, value in measures.items()
        ]

    return _evaluation_rows(paths, take)


def _evaluation_rows(paths: RunPaths, take: Callable[[Mapping[str, Any]], list[Row]]) -> list[Row]:
    return [{**_identity(paths), **row} for rows in _read(paths.evaluation, take) for row in rows]


def _nested(found: Mapping[str, Any], outer: str, inner: str) -> list[Row]:
    """Return a row for each measure of each part of what an evaluation found."""
    return [
        {
            outer: name,
            inner: int(part) if inner == "severity" else part,
            "measure": measure,
            "value": float(spread["mean"]),
            "std": spread["std"],
            "passes": len(spread["values"]),
        }
        for name, parts in found.items()
        for part, measures in parts.items()
        for measure, spread in measures.items()
    ]


def _identity(paths: RunPaths) -> Row:
    return {
        "experiment": paths.experiment.name,
        "replicate": None if paths.ensemble_of == REPLICATES else paths.replicate.number,
        "level": paths.level if isinstance(paths.level, int) else None,
        "kind": paths.kind,
        "directory": str(paths.directory),
    }


def identity_of(paths: RunPaths) -> Row:
    """Return which branch it is, with its arguments."""
    return {**_identity(paths), "branch_arguments": _arguments(paths)}


def _arguments(paths: RunPaths) -> str:
    arguments = displayed_fields(read_text(paths.hparams, errors="replace")).items() if paths.hparams.exists() else ()
    return ", ".join(f"{name}={value}" for name, value in arguments)


def _described(paths: RunPaths) -> Row:
    replicate = Replicate(paths.replicate)
    others = {name: value for name, value in replicate.hparams.items() if name not in HYPERPARAMETERS}
    found: Row = {OTHERS: others, **{name: replicate.hparams.get(name) for name in HYPERPARAMETERS}}
    if paths.directory != replicate.first.directory and paths.hparams.exists():
        found["branch_arguments"] = _arguments(paths)
    return found


def _ensemble(paths: RunPaths) -> Callable[[Mapping[str, Any]], Row]:
    """Return what takes an ensemble's row from its evaluation; the first member stands for what all have in common."""

    def take(kept: Mapping[str, Any]) -> Row:
        members = kept["members"]
        first = RunPaths(paths.experiment.parent / members[0])
        row = {**_described(first), **_evaluated(kept), "members": len(members)}
        row["test_examples"] = float(kept["final"]["examples"]["mean"])
        if isinstance(paths.level, int):
            row["density"] = density_of(first)
        return row

    return take


def _logged(paths: RunPaths) -> Row:
    logger = MetricLogger.load(paths.logger)
    found: Row = {f"peak_{name}": value for name, value in peak_measures(logger).items()}
    found |= {f"chosen_{name}": value for name, value in peak_measures(logger, "validation_accuracy").items()}
    last = _last(logger, "test_")
    found |= {f"validation_{name}": value for name, value in _last(logger, "validation_").items()}
    found |= {"passes": 1 if last else None, "test_examples": last.get("examples")}
    return {**found, **{f"final_{name}": value for name, value in last.items()}}


def _last(logger: MetricLogger, prefix: str) -> dict[str, float]:
    """Return the last measures whose names begin so, by the rest of these."""
    measured = [row for row in logger.rows().values() if f"{prefix}accuracy" in row]
    last = measured[-1].items() if measured else ()
    return {name.removeprefix(prefix): value for name, value in last if name.startswith(prefix)}


def _evaluated(kept: Mapping[str, Any]) -> Row:
    final = kept["final"].items()
    found: Row = {"passes": int(kept["passes"])}
    found |= {f"final_{name}": float(spread["mean"]) for name, spread in final}
    found |= {f"final_{name}_std": spread["std"] for name, spread in final}
    for name, severities in kept.get("shift", {}).items():
        for measure in SHIFT_MEASURES:
            values = [float(measures[measure]["mean"]) for measures in severities.values() if measure in measures]
            found[f"shift_{name}_{measure}"] = math.fsum(values) / len(values) if values else None
    for row in _nested(kept.get("ood", {}), "ood", "score"):
        found[f"ood_{row['ood']}_{row['score']}_{row['measure']}"] = row["value"]
    return found


def _cost(timing: Mapping[str, Any]) -> Row:
    machine = {name: timing.get(name) for name in ("machine", "device", "processor")}
    threads = timing.get("threads")  # which was not always kept
    return {"seconds": float(timing["seconds"]), **machine, "threads": None if threads is None else int(threads)}


def _iterations_per_epoch(paths: RunPaths, last: int) -> float:
    """Return the length of an epoch, or NaN: of the two networks that are kept, the second is of the last iteration."""
    kept = [*paths.models()]
    epochs, iterations = kept[-1] if len(kept) > 1 else (0, 0)
    return (last - iterations) / epochs if epochs and last > iterations else math.nan


def _read(path: Path, take: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
    """Return what is taken from a JSON file, as the only element of a list, or none if it is not there."""
    if not path.exists():
        return []
    content = read_json(path)
    try:
        return [take(content)]
    except (TypeError, KeyError, AttributeError, ValueError, ArithmeticError, LookupError, StopIteration):
        raise UnreadableFile(path, "does not hold what it should") from None
