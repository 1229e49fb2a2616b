"""Figures of recorded times: what they were taken on, and runs without any."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from foundations.errors import UserError
from open_lth.figures import cost, runtimes
from open_lth.figures.layout import look
from open_lth.suites.styles import styles_of
from open_lth.suites.suite_runs import SuiteRuns

MODULES = pytest.mark.parametrize("module", [cost, runtimes])


@pytest.fixture
def runs(tmp_path: Path) -> pd.DataFrame:
    """The dense networks of two methods, trained with different numbers of threads."""
    rows = [
        {
            "panel": "LeNet",
            "method": method,
            "replicate": 1,
            "level": 0,
            "kind": "main",
            "density": 1.0,
            "peak_accuracy": 0.9,
            "seconds": 60.0 * threads,
            "machine": "node7",
            "device": "cpu",
            "processor": "EPYC",
            "threads": threads,
            "directory": str(tmp_path / "lottery" / "replicate_1" / "level_0" / method),
        }
        for method, threads in (("IMP", 1), ("other", 4), ("other", 2))
    ]
    return pd.DataFrame(rows).astype({"level": "Int64", "threads": "Int64"})


@MODULES
def test_captions_say_where_times_are_from_and_what_else_they_depend_on(runs, module):
    with look():
        caption = module.make(SuiteRuns(runs, {}, []), styles_of(["IMP", "other"]), "Title").caption
    assert caption.endswith("EPYC (cpu of node7). Times depend on how many experiments ran at once.")


@MODULES
def test_without_recorded_times_there_is_nothing_to_draw(runs, module):
    untimed = SuiteRuns(runs.assign(seconds=float("nan")), {}, [])
    with pytest.raises(UserError, match="no training time is recorded"):
        module.make(untimed, styles_of(["IMP", "other"]), "Title")


def test_the_table_of_times_has_the_threads(runs):
    assert runtimes.runtimes(runs)["threads"].tolist() == ["1", "4 and 2"]
    assert runtimes.runtimes(runs.assign(threads=pd.NA))["threads"].isna().all()
