"""What every subcommand that stands for training runs must keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from open_lth.command import read_command
from open_lth.runners.evaluation import are_measured
from tests.contracts.table import LENET, REGISTRIES, ROWS
from tests.open_lth.running import Workplace, snapshot

FLAGS = (*LENET, "--batch_size=4", "--training_steps=3it", "--evaluate_only_at_end", "--quiet")


@pytest.mark.parametrize("name", [name for name in ROWS["subcommand"] if name in REGISTRIES["subcommand"]])
def test_it_makes_the_runs_that_it_stands_for_and_makes_them_once(
    name: str, dataset_root: Path, tmp_path: Path
) -> None:
    workplace = Workplace(tmp_path / "results", dataset_root)
    workplace.done("lottery", "--levels=1", *FLAGS)
    words = (name, *ROWS["subcommand"][name], *FLAGS)
    runs, request = read_command((*words, f"--root={workplace.root}", f"--dataset_root={dataset_root}"))
    assert runs and all(workplace.root in run.paths.directory.parents for run in runs)
    workplace.done(*words)
    assert all(run.is_done for run in runs) and are_measured(runs, request)
    before = snapshot(workplace.root)
    workplace.done(*words)
    assert snapshot(workplace.root) == before, "what is done is done again"
