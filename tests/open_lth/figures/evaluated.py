"""Runs that were evaluated beyond the test set, as files written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from open_lth.suites.suite_runs import SuiteRuns

COLUMNS = ["accuracy", "loss", "ece", "aurc", "scaled_loss", "scaled_ece"]


def spread(value: float) -> dict[str, object]:
    return {"mean": value, "std": None, "values": [value]}


def runs_of(root: Path, *evaluations: tuple[str, int, dict[str, object]]) -> SuiteRuns:
    """Return runs of one panel, by method, replicate and what was kept of them; all are at levels 0 and 1."""
    rows = []
    for method, replicate, kept in evaluations:
        for level in (0, 1):
            directory = root / f"lottery_{method}" / f"replicate_{replicate}" / f"level_{level}" / "main"
            directory.mkdir(parents=True)
            content = {"passes": 1, "step": "1ep0it", "final": {}, **kept}
            (directory / "evaluation.json").write_text(json.dumps(content))
            finals = {f"final_{name}": 0.01 * replicate for name in COLUMNS}
            rows.append(
                {
                    "panel": "LeNet",
                    "method": method,
                    "replicate": replicate,
                    "level": level,
                    "density": 0.5**level,
                    "directory": str(directory),
                    **finals,
                }
            )
    return SuiteRuns(pd.DataFrame(rows).astype({"level": "Int64"}), {}, [])
