"""What it cost to make a run: its own training and those that came before."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from foundations.paths import MAIN, Rewinding, RunPaths
from foundations.storage import read_json


def total_seconds(runs: pd.DataFrame) -> pd.Series[float]:
    """Return, for each run of a table, the seconds of its training and of all levels that it rests on.

    A ticket of level k rests on the trainings of levels 0 to k-1 of its lottery, whose masks it continues; so does a
    branch off level k. Where a time is not known, the sum is missing.
    """
    return runs.apply(_total, axis=1).astype("float64")


def _total(run: pd.Series[Any]) -> float:
    if pd.isna(run["level"]):
        return float(run["seconds"])
    lottery = RunPaths(Path(run["directory"])).replicate
    rewinding = Rewinding.LEARNING_RATE.value if run["kind"] == Rewinding.LEARNING_RATE.value else MAIN
    before = (lottery.level(level, rewinding if level else MAIN).timing for level in range(int(run["level"])))
    return math.fsum([float(run["seconds"]), *(_seconds(path) for path in before)])


def _seconds(timing: Path) -> float:
    return float(read_json(timing)["seconds"]) if timing.exists() else math.nan
