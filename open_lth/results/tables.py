"""Finished runs as tables for analyses: a row for each run, or one for each measure at each step."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from foundations.errors import UserError
from foundations.messages import LOGGER
from foundations.paths import RunPaths
from foundations.storage import read_json, read_text
from open_lth.results.replicates import displayed_fields, find_replicates, replicate_of
from open_lth.runners.evaluation import peak_measures
from training import MetricLogger

_REPLICATE = re.compile(r"replicate_(\d+)", re.ASCII)
_LEVEL = re.compile(r"level_(\d+)", re.ASCII)
_MODEL = re.compile(r"model_ep(\d+)_it(\d+)\.pth", re.ASCII)
_BRANCH = re.compile(r"lottery_branch_(\w+)_[0-9a-f]{32}", re.ASCII)

MEASURES = ("accuracy", "loss", "brier", "ece", "mace", "mace_pooled")
"""The measures of the test set that the table always has, in this order; `loss` is the negative log likelihood."""

_RUN = {"experiment": "string", "replicate": "Int64", "level": "Int64", "kind": "string"}

HYPERPARAMETERS = ("model_name", "dataset_name", "variant_name", "pruning_strategy")
"""The hyperparameters that the table always has; `open_lth.results.replicates.Replicate.hparams` has the others."""

COLUMNS: dict[str, str] = {
    **_RUN,
    "branch_arguments": "string",
    **dict.fromkeys(HYPERPARAMETERS, "string"),
    "density": "float64",
    "peak_iteration": "float64",
    **{f"peak_{name}": "float64" for name in MEASURES},
    "passes": "Int64",
    **{f"final_{name}{suffix}": "float64" for name in MEASURES for suffix in ("", "_std")},
    "test_examples": "float64",
    "seconds": "float64",
    "machine": "string",
    "device": "string",
    "processor": "string",
    "threads": "Int64",
    "directory": "string",
}
"""The columns of the table and their types."""

CURVE_COLUMNS: dict[str, str] = {
    **_RUN,
    "iteration": "Int64",
    "epoch": "float64",
    "measure": "string",
    "value": "float64",
    "directory": "string",
}
"""The columns of the table of curves and their types."""


def read_runs(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table with one row for each finished run; what is not known is missing (NaN or NA).

    | column | what |
    | --- | --- |
    | `experiment`, `replicate` | the experiment's directory name and the replicate's number |
    | `level` | the pruning level; missing outside lotteries and for pretraining |
    | `kind` | `main`, `lrr` (learning rate rewinding), `pretrain`, or the name of a branch |
    | `branch_arguments` | those of a branch, e.g. `seed=1, strategy=even`; missing elsewhere |
    | `model_name`, `dataset_name`, `pruning_strategy` | those hyperparameters of the experiment |
    | `variant_name` | the variant; missing for deterministic networks |
    | `density` | the fraction of the prunable weights that is kept |
    | `peak_<measure>` | the measures at the epoch of the best test accuracy, and that epoch's `peak_iteration` |
    | `final_<measure>` | the measures at the end of training, mean over passes where `evaluate` has repeated them |
    | `final_<measure>_std` | the standard deviation over these passes; missing for one pass |
    | `passes` | the number of passes behind `final_<measure>` |
    | `test_examples` | the size of the test set |
    | `seconds` | how long training took, evaluations included |
    | `machine`, `device`, `processor` | where: the computer's name, PyTorch's name of the device, what it is |
    | `threads` | how many threads a process had on the CPU |
    | `directory` | where the run lies |

    A run whose files are damaged is left out, with a warning that names the file.

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.
    """
    return pd.DataFrame(_rows(runs, _summary), columns=list(COLUMNS)).astype(COLUMNS)


def read_curves(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table with one row for each measure at each step of each finished run.

    | column | what |
    | --- | --- |
    | `experiment`, `replicate`, `level`, `kind`, `directory` | the run, as in `read_runs` |
    | `iteration` | how many training steps came before |
    | `epoch` | the same in epochs; missing where the length of an epoch is not known |
    | `measure`, `value` | what was measured, such as `test_accuracy` or `train_loss` |

    The length of an epoch follows from the name of the final network's file. A run whose files are damaged is left
    out, with a warning that names the file.

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.
    """
    return pd.DataFrame(_rows(runs, _curves), columns=list(CURVE_COLUMNS)).astype(CURVE_COLUMNS)


def _rows(
    runs: str | Path | Iterable[str | Path], read: Callable[[RunPaths], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows that each finished run has in a table."""
    directories = _all_runs(Path(runs).expanduser()) if isinstance(runs, (str, Path)) else map(Path, runs)
    rows: list[dict[str, Any]] = []
    for paths in map(RunPaths, directories):
        try:
            rows += read(paths) if paths.logger.exists() else []
        except UserError as error:  # a damaged run does not hide the others
            LOGGER.warning("left out: %s", error)
    return rows


def _all_runs(root: Path) -> Iterator[Path]:
    return (run.directory for replicate in find_replicates(root) for run in replicate.runs())


def _summary(paths: RunPaths) -> list[dict[str, Any]]:
    row = {**_identity(paths.directory), **_described(paths), **_measures(paths)}
    return [{**row, **_read(paths.timing, _cost), **_read(paths.sparsity_report, _density)}]


def _described(paths: RunPaths) -> dict[str, Any]:
    replicate = replicate_of(paths.directory)
    found: dict[str, Any] = {name: replicate.hparams.get(name) for name in HYPERPARAMETERS}
    if paths.directory != replicate.first.directory and paths.hparams.exists():
        arguments = displayed_fields(read_text(paths.hparams, errors="replace")).items()
        found["branch_arguments"] = ", ".join(f"{name}={value}" for name, value in arguments)
    return found


def _curves(paths: RunPaths) -> list[dict[str, Any]]:
    identity, entries = _identity(paths.directory), MetricLogger.load(paths.logger).entries()
    length = _iterations_per_epoch(paths, max((iteration for _, iteration, _ in entries), default=0))
    return [
        {**identity, "iteration": iteration, "epoch": iteration / length, "measure": measure, "value": value}
        for measure, iteration, value in entries
    ]


def _iterations_per_epoch(paths: RunPaths, last: int) -> float:
    """Return the length of an epoch, or NaN: of the two networks that are kept, the second is of the last iteration."""
    kept = sorted((int(m[1]), int(m[2])) for m in (_MODEL.fullmatch(p.name) for p in paths.directory.iterdir()) if m)
    epochs, iterations = kept[-1] if len(kept) > 1 else (0, 0)
    return (last - iterations) / epochs if epochs else math.nan


def _identity(directory: Path) -> dict[str, Any]:
    level, branch = _LEVEL.fullmatch(directory.parent.name), _BRANCH.fullmatch(directory.name)
    replicate = replicate_of(directory).directory
    number = _REPLICATE.fullmatch(replicate.name)
    if number is None:
        raise UserError(f"{directory}: does not lie in a replicate's directory")
    pretrains = directory.parent != replicate and level is None
    return {
        "experiment": replicate.parent.name,
        "replicate": int(number[1]),
        "level": int(level[1]) if level else None,
        "kind": "pretrain" if pretrains else branch[1] if branch else directory.name,
        "directory": str(directory),
    }


def _measures(paths: RunPaths) -> dict[str, Any]:
    logger = MetricLogger.load(paths.logger)
    found: dict[str, Any] = {f"peak_{name}": value for name, value in peak_measures(logger).items()}
    logged = {name.removeprefix("test_"): value for name, value in _last(logger).items()}
    found |= {"passes": 1 if logged else None, "test_examples": logged.get("examples")}
    found |= {f"final_{name}": value for name, value in logged.items()}
    found |= _read(paths.evaluation, _repeated)
    return {name: value for name, value in found.items() if name in COLUMNS}


def _last(logger: MetricLogger) -> dict[str, float]:
    tested = [row for row in logger.rows().values() if "test_accuracy" in row]
    return {name: value for name, value in tested[-1].items() if name.startswith("test_")} if tested else {}


def _repeated(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    final = evaluation["final"].items()
    means = {f"final_{name}": float(spread["mean"]) for name, spread in final}
    return {"passes": int(evaluation["passes"]), **means, **{f"final_{name}_std": s["std"] for name, s in final}}


def _cost(timing: Mapping[str, Any]) -> dict[str, Any]:
    machine = {name: timing.get(name) for name in ("machine", "device", "processor")}
    threads = timing.get("threads")  # which was not always kept
    return {"seconds": float(timing["seconds"]), **machine, "threads": None if threads is None else int(threads)}


def _density(report: Mapping[str, Any]) -> dict[str, Any]:
    return {"density": float(report["unpruned"] / report["total"])}


def _read(path: Path, take: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return what is taken from a JSON file, or nothing if it is not there."""
    if not path.exists():
        return {}
    content = read_json(path)
    try:
        return take(content)
    except (TypeError, KeyError, AttributeError, ValueError, ArithmeticError):
        raise UserError(f"{path}: does not hold what it should; delete it to have it made again") from None
