"""What came out of runs, level by level, as their files say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foundations.errors import UnreadableFile, UserError
from foundations.metric_logger import MetricLogger
from foundations.paths import RunPaths
from foundations.storage import read_json

COLUMNS = ("level", "density", "accuracy", "NLL", "where")
"""The accuracy and the negative log likelihood are those at the end of training."""


def level_rows(runs: Sequence[RunPaths], below: Path) -> list[tuple[str, ...]]:
    """Return a row for each run; what its files do not say is a dash.

    Args:
        below: the directory from which a run's own is told.
    """
    return [_row(run, below) for run in runs]


def _row(run: RunPaths, below: Path) -> tuple[str, ...]:
    level = "-" if run.level is None else str(run.level)
    where = str(run.directory.relative_to(below)) if below in run.directory.parents else str(run.directory)
    if run.is_finished:
        accuracy, loss = (_last(run, f"test_{measure}") for measure in ("accuracy", "loss"))
        return (level, _density(run), accuracy, loss, where)
    return (level, _density(run), "diverged" if run.diverged.exists() else "not finished", "-", where)


def _density(run: RunPaths) -> str:
    try:
        density = density_of(run)
    except UserError:
        return "-"
    return "-" if density is None else f"{100 * density:.2f} %"


def density_of(run: RunPaths) -> float | None:
    """Return the fraction of the weights that a run keeps, as its report or, where that is gone, its mask says.

    Raises:
        UserError: if the file is damaged.
    """
    if run.sparsity_report.exists():
        report = read_json(run.sparsity_report)
        try:
            return float(report["unpruned"] / report["total"])
        except (KeyError, TypeError, ArithmeticError):
            raise UnreadableFile(run.sparsity_report, "does not hold what it should") from None
    if run.mask.exists():
        from pruning import Mask  # and with it torch, for which those who read texts need not wait

        return Mask.load(run.mask).density
    return None


def _last(run: RunPaths, measure: str) -> str:
    try:
        values = MetricLogger.load(run.logger).get(measure)
    except UserError:  # a damaged file hides no other run
        return "-"
    return f"{values[max(values)]:.4f}" if values else "-"
