"""Experiments as their files tell, whichever program wrote them and in whatever state."""

from __future__ import annotations

import json
import math
import os
import shlex
from contextlib import contextmanager
from pathlib import Path

import pytest

from foundations.paths import ReplicatePaths
from open_lth.results.replicates import Replicate, find_replicates

HPARAMS = """Dataset Hyperparameters
    * dataset_name => digits
    * batch_size => 256
Model Hyperparameters
    * model_name => mnist_lenet_12
Pretraining Dataset Hyperparameters
    * dataset_name => mnist
    * batch_size => 100
Pruning Hyperparameters
    * pruning_layers_to_ignore => fc.weight,conv => odd"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def lottery(tmp_path) -> Replicate:
    """Level 0 and 2 are finished, level 1 is not; three branches, of which one is not finished."""
    directory = tmp_path / "lottery_abc" / "replicate_3"
    write(directory / "level_0" / "main" / "hparams.log", HPARAMS)
    write(directory / "level_0" / "main" / "logger", "test_accuracy,0,0.2\ntest_accuracy,6,0.7\ntest_accuracy,12,0.6")
    write(directory / "level_1" / "main" / "mask.pth", "mask")
    write(directory / "level_2" / "main" / "logger", "test_accuracy,12,0.65\ntrain_accuracy,12,0.9")
    write(directory / "level_0" / "lottery_branch_retrain_1" / "logger", "test_accuracy,12,0.95")
    write(directory / "level_2" / "lottery_branch_retrain_1" / "logger", "test_accuracy,12,0.5")
    write(directory / "level_2" / "lottery_branch_retrain_2" / "mask.pth", "mask")
    return Replicate(ReplicatePaths.of(directory))


def test_name_and_replicate_are_those_of_the_directories(lottery):
    assert (lottery.paths.name, lottery.paths.number) == ("lottery_abc", 3)


def test_levels_and_branches_count_when_they_are_finished(lottery):
    assert lottery.levels == [0, 2]
    assert len(lottery.branches) == 2


def test_levels_are_ordered_as_numbers(lottery):
    write(lottery.paths.directory / "level_10" / "main" / "logger", "")
    assert lottery.levels == [0, 2, 10]


def test_the_best_accuracy_is_the_levels_own_at_any_epoch(lottery):
    """Neither a branch's nor that on the training data."""
    assert lottery.best_accuracy == 0.7


def test_pretraining_may_be_on_other_data_and_has_no_part_in_the_best_accuracy(lottery):
    write(lottery.paths.directory / "level_pretrain" / "main" / "logger", "test_accuracy,12,0.99")
    assert lottery.best_accuracy == 0.7
    assert lottery.levels == [0, 2]


def test_hyperparameters_are_read_by_field_and_the_first_group_wins(lottery):
    assert lottery.hparams_text == HPARAMS
    assert lottery.hparams == {
        "dataset_name": "digits",
        "batch_size": "256",
        "model_name": "mnist_lenet_12",
        "pruning_layers_to_ignore": "fc.weight,conv => odd",
    }


def test_the_size_is_that_of_all_files(lottery):
    before = lottery.size
    assert before == sum(path.stat().st_size for path in lottery.paths.directory.rglob("*") if path.is_file())
    write(lottery.paths.directory / "level_2" / "main" / "model_ep2_it0.pth", "x" * 1000)
    assert lottery.size == before + 1000


def test_a_file_that_vanishes_meanwhile_has_no_size(lottery, monkeypatch):
    before = lottery.size
    gone = lottery.paths.directory / "level_2" / "main" / ".logger.x.tmp"
    write(gone, "text")
    listed = os.scandir

    @contextmanager
    def vanishing(directory):
        with listed(directory) as entries:
            found = [*entries]
        if os.fspath(directory) == os.fspath(gone.parent):
            gone.unlink()
        yield iter(found)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert lottery.size == before
    assert not gone.exists()


def test_the_command_can_be_pasted(lottery):
    words = ["lottery", "--levels=2", "--root=/a place/with 'quotes'"]
    write(lottery.paths.directory / "level_0" / "main" / "command.json", json.dumps({"command": words}))
    assert shlex.split(lottery.command) == ["python", "open_lth.py", *words]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"command": null}', '{"command": [1]}', '{"command": 3}']
)
def test_a_command_that_was_not_kept_is_none(lottery, text):
    assert lottery.command is None
    write(lottery.paths.directory / "level_0" / "main" / "command.json", text)
    assert lottery.command is None


def test_a_training_run_has_its_files_in_main_and_no_levels(tmp_path):
    directory = tmp_path / "train_abc" / "replicate_1"
    write(directory / "main" / "hparams.log", HPARAMS)
    write(directory / "main" / "logger", "test_accuracy,12,0.8")
    run = Replicate(ReplicatePaths.of(directory))
    assert run.hparams["model_name"] == "mnist_lenet_12"
    assert (run.levels, len(run.branches), run.best_accuracy) == ([], 0, 0.8)


def test_an_empty_directory_is_an_experiment_of_which_nothing_is_known(tmp_path):
    (tmp_path / "lottery_abc" / "replicate_1").mkdir(parents=True)
    [found] = find_replicates(tmp_path)
    assert (found.hparams, found.levels, len(found.branches), found.size, found.command) == ({}, [], 0, 0, None)
    assert math.isnan(found.best_accuracy)


@pytest.mark.parametrize("content", [b"", b"what is this", b"\xff\xfe\x00", b"test_accuracy,12"])
def test_a_damaged_logger_does_not_hide_the_others(lottery, content):
    (lottery.paths.directory / "level_2" / "main" / "logger").write_bytes(content)
    assert lottery.best_accuracy == 0.7


def test_hyperparameters_in_another_encoding_are_read_as_far_as_they_go(lottery):
    lottery.first.hparams.write_bytes(b"\xff\n    * model_name => mnist_lenet_12\n")
    assert lottery.hparams == {"model_name": "mnist_lenet_12"}


def test_experiments_are_found_by_name_and_number(tmp_path):
    for place in ("train_b/replicate_10", "train_b/replicate_9", "lottery_a/replicate_1"):
        (tmp_path / place).mkdir(parents=True)
    found = [(one.paths.name, one.paths.number) for one in find_replicates(tmp_path)]
    assert found == [("lottery_a", 1), ("train_b", 9), ("train_b", 10)]


def test_what_is_no_experiment_is_not_found(tmp_path):
    for place in ("notes/drafts", "train_a/replicate_x", "train_a/replicate_", "train_a/replicate_٣", "figures"):
        (tmp_path / place).mkdir(parents=True)
    write(tmp_path / "train_a" / "replicate_1", "a file")
    write(tmp_path / "README", "a file")
    assert find_replicates(tmp_path) == []


def test_a_root_that_is_not_there_holds_nothing(tmp_path):
    assert find_replicates(tmp_path / "nowhere") == []
