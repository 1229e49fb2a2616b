"""Finished runs as tables for analyses: a row for each run, or one for each measure at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from foundations.errors import UserError
from foundations.messages import LOGGER
from foundations.paths import RunPaths
from foundations.stored import stored_ensembles
from open_lth.results.replicates import find_replicates
from open_lth.results.run_files import HYPERPARAMETERS, OTHERS, curves_of, diagnostics_of, ood_of, shifts_of, summary_of

MEASURES = ("accuracy", "loss", "brier", "ece", "mace", "mace_pooled")
"""The measures of the test set that the table always has, in this order; `loss` is the negative log likelihood."""

EVALUATED = (
    "aurc",
    "temperature",
    "scaled_loss",
    "scaled_ece",
    "ece_floor",
    "ece_low",
    "ece_high",
    "mace_floor",
    "mace_low",
    "mace_high",
)
"""What `evaluate` alone measures: AURC; the fitted temperature, and the loss and the ECE with it; for both calibration
errors what perfectly calibrated predictions would have, and a 95 % interval."""

RUN_COLUMNS = {"experiment": "string", "replicate": "Int64", "level": "Int64", "kind": "string"}

COLUMNS: dict[str, str] = {
    **RUN_COLUMNS,
    "branch_arguments": "string",
    **dict.fromkeys(HYPERPARAMETERS, "string"),
    "density": "float64",
    "peak_iteration": "float64",
    **{f"peak_{name}": "float64" for name in MEASURES},
    "chosen_iteration": "float64",
    **{f"chosen_{name}": "float64" for name in MEASURES},
    **{f"validation_{name}": "float64" for name in MEASURES},
    "passes": "Int64",
    **{f"final_{name}{suffix}": "float64" for name in (*MEASURES, *EVALUATED) for suffix in ("", "_std")},
    "members": "Int64",
    "test_examples": "float64",
    "seconds": "float64",
    "machine": "string",
    "device": "string",
    "processor": "string",
    "threads": "Int64",
    "directory": "string",
}
"""The columns that the table always has, and their types."""

CURVE_COLUMNS: dict[str, str] = {
    **RUN_COLUMNS,
    "iteration": "Int64",
    "epoch": "float64",
    "measure": "string",
    "value": "float64",
    "directory": "string",
}
"""The columns of the table of curves and their types."""

_SPREAD = {"measure": "string", "value": "float64", "std": "float64", "passes": "Int64"}
SHIFT_COLUMNS = {**RUN_COLUMNS, "shift": "string", "severity": "Int64", **_SPREAD, "directory": "string"}
OOD_COLUMNS = {**RUN_COLUMNS, "ood": "string", "score": "string", **_SPREAD, "directory": "string"}
DIAGNOSTICS_COLUMNS = {**RUN_COLUMNS, "layer": "string", "measure": "string", "value": "float64", "directory": "string"}
"""The columns of the other tables of what `evaluate` finds, and their types."""


def read_runs(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table with one row for each finished run and ensemble; what is not known is missing (NaN or NA).

    | column | what |
    | --- | --- |
    | `experiment`, `replicate` | the experiment's directory name and the replicate's number |
    | `level` | the pruning level; missing outside lotteries and for pretraining |
    | `kind` | `main`, `lrr` (learning rate rewinding), `pretrain`, the name of a branch, or an ensemble as below |
    | `branch_arguments` | those of a branch, e.g. `seed=1, strategy=even`; missing elsewhere |
    | `model_name`, `dataset_name`, `pruning_strategy` | those hyperparameters of the experiment |
    | `variant_name` | the variant; missing for deterministic networks |
    | `density` | the fraction of the prunable weights that is kept |
    | `peak_<measure>` | the measures at the epoch of the best test accuracy, and that epoch's `peak_iteration` |
    | `chosen_<measure>` | the same at the epoch of the best validation accuracy, where examples were held out |
    | `validation_<measure>` | those of the held-out examples at the end of training: what to choose settings by |
    | `final_<measure>` | the measures at the end of training, mean over passes where `evaluate` has repeated them |
    | `final_<measure>_std` | the standard deviation over these passes; missing for one pass |
    | `passes` | the number of passes behind `final_<measure>` |
    | `final_aurc` | the area under the risk-coverage curve, like all that follow by `evaluate` alone |
    | `final_temperature` | fitted on held-out examples, for `final_scaled_loss` and `final_scaled_ece` |
    | `final_mace_floor` | what perfectly calibrated predictions of the same confidences would have; so for `ece` |
    | `final_mace_low`, `final_mace_high` | a 95 % interval by bootstrap; so for `ece` |
    | `members` | the number of networks in an ensemble |
    | `test_examples` | the size of the test set |
    | `seconds` | how long training took, evaluations included |
    | `machine`, `device`, `processor` | where: the computer's name, PyTorch's name of the device, what it is |
    | `threads` | how many threads a process had on the CPU |
    | `directory` | where the run lies |
    | `shift_<name>_<measure>` | mean over severities, where `evaluate --shift` has measured it; see `read_shifts` |
    | `ood_<name>_<score>_<measure>` | where `evaluate --ood` has measured it; see `read_ood` |
    | `lr`, `training_steps`, ... | the other hyperparameters, as text; of a field in several groups, the first |

    The averaged predictions of replicates and of levels (`evaluate --ensemble`) are of the kinds
    `ensemble_of_replicates` and `ensemble_of_levels`, followed by `of` and whose they are, unless of `main`. What does
    not differ between their members is the first one's.

    A run whose files are damaged is left out, with a warning that names the file.

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.

    Raises:
        UserError: if a root has no results, as the other functions here do.
    """
    rows = _rows(runs, summary_of)
    measured = dict.fromkeys(name for row in rows for name in row if name.startswith(("shift_", "ood_")))
    others = [row.pop(OTHERS) for row in rows]
    hparams = sorted({name for own in others for name in own} - {*COLUMNS, *measured})
    rows = [{**own, **row} for own, row in zip(others, rows, strict=True)]
    types = {**COLUMNS, **dict.fromkeys(measured, "float64"), **dict.fromkeys(hparams, "string")}
    return pd.DataFrame(rows, columns=list(types)).astype(types).copy()  # a copy keeps columns together in memory


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
    return _table(runs, curves_of, CURVE_COLUMNS)


def read_shifts(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table with one row for each measure under each shift, at each severity, of each run and ensemble.

    | column | what |
    | --- | --- |
    | `experiment`, `replicate`, `level`, `kind`, `directory` | the run, as in `read_runs` |
    | `shift`, `severity` | how the test images were changed, and how much, from 1 to 5 |
    | `measure`, `value`, `std`, `passes` | mean and standard deviation over passes, and their number |

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.
    """
    return _table(runs, shifts_of, SHIFT_COLUMNS)


def read_ood(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table of how well scores tell what is out of distribution: a row for each measure, score and images.

    | column | what |
    | --- | --- |
    | `experiment`, `replicate`, `level`, `kind`, `directory` | the run, as in `read_runs` |
    | `ood` | what is to be told from the test images |
    | `score` | by what: `max_probability`, `entropy`, or `mutual_information`, where samples were averaged |
    | `measure`, `value`, `std`, `passes` | `auroc`, `aupr` or `fpr95`, over passes as in `read_shifts` |

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.
    """
    return _table(runs, ood_of, OOD_COLUMNS)


def read_diagnostics(runs: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Return a table of what variants say of their trained networks: a row for each layer and measure.

    Its columns are those of the run, as in `read_runs`, and `layer` (or `all layers`), `measure` and `value`.

    Args:
        runs: a results root, all of whose runs are read, or the directories of runs.
    """
    return _table(runs, diagnostics_of, DIAGNOSTICS_COLUMNS)


def _table(
    runs: str | Path | Iterable[str | Path],
    read: Callable[[RunPaths], list[dict[str, Any]]],
    columns: dict[str, str],
) -> pd.DataFrame:
    return pd.DataFrame(_rows(runs, read), columns=list(columns)).astype(columns)


def _rows(
    runs: str | Path | Iterable[str | Path], read: Callable[[RunPaths], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the rows that each finished run and each ensemble has in a table."""
    directories = _all_runs(Path(runs).expanduser()) if isinstance(runs, (str, Path)) else map(Path, runs)
    rows: list[dict[str, Any]] = []
    for paths in map(RunPaths, directories):
        try:
            rows += read(paths)
        except UserError as error:  # a damaged run does not hide the others
            LOGGER.warning("left out: %s", error)
    return rows


def _all_runs(root: Path) -> Iterator[Path]:
    if RunPaths(root).is_finished:
        yield root
        return
    if not find_replicates(root) and not stored_ensembles(root):
        raise UserError(f"{root}: holds no results; give the results root, or the directories of runs")
    yield from (run.directory for replicate in find_replicates(root) for run in replicate.runs())
    yield from (ensemble.directory for ensemble in stored_ensembles(root))
