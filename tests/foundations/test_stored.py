from __future__ import annotations

import pytest

from foundations.paths import ReplicatePaths, RunPaths
from foundations.stored import stored_ensembles, stored_replicates, stored_runs
from tests.foundations.test_paths import RUNS


@pytest.fixture
def root(tmp_path):
    for place in RUNS:
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "lottery_ab/replicate_1/level_0/notes.txt").touch()
    (tmp_path / "lottery_ab/replicate_x/main").mkdir(parents=True)
    (tmp_path / "lottery_ab/replicate_3").touch()
    return tmp_path


def test_replicates_are_found_by_name_and_number(root):
    for place in ("lottery_ab/replicate_10", "lottery_ab/replicate_9"):
        (root / place).mkdir()
    lottery = [ReplicatePaths(root, "lottery_ab", number) for number in (1, 9, 10)]
    assert stored_replicates(root) == [*lottery, ReplicatePaths(root, "train_ab", 12)]
    assert stored_replicates(root, "lottery_ab") == lottery
    assert stored_replicates(root / "nowhere") == []


def test_runs_are_found_where_they_are_made(root):
    found = [run for one in stored_replicates(root) for run in stored_runs(one.directory)]
    assert {run.directory.relative_to(root).as_posix() for run in found} == set(RUNS)


def test_ensembles_are_found_once_they_have_been_measured(root):
    assert stored_ensembles(root) == []
    run = RunPaths(root / "lottery_ab/replicate_1/level_0/main")
    ensembles = [run.ensemble("replicates"), run.ensemble("levels")]
    for ensemble in ensembles:
        ensemble.directory.mkdir(parents=True)
    ensembles[0].evaluation.touch()
    assert stored_ensembles(root) == ensembles[:1]
    ensembles[1].evaluation.touch()
    assert stored_ensembles(root) == ensembles
