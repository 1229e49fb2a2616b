"""Where results come from, read from files written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from open_lth.report.facts import diagnostics, environments, hyperparameters

HASH = "0123456789abcdef0123456789abcdef"


def write(root: Path, replicate: int, run: str, machine: str, started: str, **fields: object) -> dict[str, object]:
    """Write what a run says of itself and return its row."""
    directory = root / f"lottery_{HASH}" / f"replicate_{replicate}" / run
    directory.mkdir(parents=True)
    lines = ["Group", *(f"    * {name} => {value}" for name, value in fields.items())]
    (directory / "hparams.log").write_text("\n".join(lines))
    origin = {"machine": machine, "device": "cpu", "python": "3.11", "packages": {"torch": "2.5"}, "started": started}
    (directory / "command.json").write_text(json.dumps(origin))
    return {"panel": "LeNet", "method": "IMP", "directory": str(directory), "processor": "EPYC", "seconds": 1800.0}


@pytest.fixture
def runs(tmp_path: Path) -> pd.DataFrame:
    """Two replicates of a lottery on two machines, and a branch off the first."""
    first = write(tmp_path, 1, "level_0/main", "one", "2026-01-02", lr=0.1, batch_size=64, seed=1)
    second = write(tmp_path, 2, "level_0/main", "two", "2026-01-03", lr=0.1, batch_size=64, seed=2)
    branch = f"level_1/lottery_branch_transplant_{HASH}"
    third = write(tmp_path, 1, branch, "one", "2026-01-01", start_at="init", seed=1)
    return pd.DataFrame([first, second, {**third, "method": "transplanted"}])


def test_hyperparameters_are_common_or_listed_by_method(runs):
    shared, differing = hyperparameters(runs)
    assert shared == {"lr": "0.1", "batch_size": "64"}
    rows = differing.set_index("method").drop(columns="panel")
    assert rows.loc["IMP", "seed"] == "1, 2" and pd.isna(rows.loc["IMP", "start_at"])
    assert rows.loc["transplanted"].to_dict() == {"seed": "1", "start_at": "init"}


def test_machines_have_their_trainings_hours_and_dates_each_run_counted_once(runs):
    found = environments(pd.concat([runs, runs])).set_index("machine")
    assert found["trainings"].to_dict() == {"one": 2, "two": 1}
    assert found["hours"].to_dict() == {"one": 1.0, "two": 0.5}
    assert found.loc["one", ["torch", "python", "device", "processor"]].tolist() == ["2.5", "3.11", "cpu", "EPYC"]
    assert found.loc["one", ["first started", "last started"]].tolist() == ["2026-01-01", "2026-01-02"]


def test_a_run_that_does_not_say_where_it_was_made_is_counted(runs):
    for directory in runs["directory"]:
        (Path(directory) / "command.json").unlink()
    found = environments(runs)
    assert found["trainings"].tolist() == [3] and found["machine"].isna().all()


def test_diagnostics_are_means_over_replicates_all_layers_first(runs):
    said = {
        1: {"conv": {"kl": 1.0}, "all layers": {"kl": 4.0, "std_spread": 1.0}},
        2: {"conv": {"kl": 3.0}, "all layers": {"kl": 8.0, "std_spread": 2.0}},
    }
    for directory, number in zip(runs["directory"].iloc[:2], said, strict=True):
        (Path(directory) / "evaluation.json").write_text(json.dumps({"diagnostics": said[number]}))
    found = diagnostics(runs.assign(level=[0, 0, 1]))
    assert found[["method", "level", "layer", "kl"]].to_numpy().tolist() == [
        ["IMP", 0, "all layers", 6.0],
        ["IMP", 0, "conv", 2.0],
    ]
    assert found["std_spread"].iloc[0] == 1.5 and pd.isna(found["std_spread"].iloc[1])


def test_runs_that_say_nothing_have_no_diagnostics(runs):
    assert diagnostics(runs.assign(level=0)).empty
