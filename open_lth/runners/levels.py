"""What came out of runs, level by level, as their files say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from foundations.errors import UserError
from foundations.metric_logger import MetricLogger
from foundations.paths import RunPaths
from foundations.storage import read_text

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
        report = json.loads(read_text(run.sparsity_report))
        return f"{100 * float(report['unpruned'] / report['total']):.2f} %"
    except (UserError, ValueError, KeyError, TypeError, ArithmeticError):
        return "-"


def _last(run: RunPaths, measure: str) -> str:
    try:
        values = MetricLogger.load(run.logger).get(measure)
    except UserError:  # a damaged file hides no other run
        return "-"
    return f"{values[max(values)]:.4f}" if values else "-"
