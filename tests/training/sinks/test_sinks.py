"""Every sink behind a real training run, read back by its own reader: what the logger holds, no more and no less."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from foundations.context import RunContext
from tests.training.sinks.written import (
    Values,
    tensorboard_values,
    wandb_config,
    wandb_exit_codes,
    wandb_files,
    wandb_run,
    wandb_values,
)
from training import SINKS, MetricLogger, TrainingRun

KINDS = ("tensorboard", "wandb")


class Stopped(Exception):
    """The process is gone."""


def logged(run: TrainingRun) -> Values:
    return {(name, iteration): value for name, iteration, value in MetricLogger.load(run.paths.logger).entries()}


def as_float32(values: Values) -> Values:
    return {key: float(np.float32(value)) for key, value in values.items()}


def sinks(*names: str) -> dict:
    return {name: SINKS.get(name)() for name in names}


def stopping_at(runs, iteration: int):
    def stop() -> None:
        raise Stopped

    return runs.eventful(iteration, stop)


def only_file(directory: Path) -> Path:
    [file] = wandb_files(directory)
    return file


def test_both_hold_what_the_logger_holds_and_change_nothing(runs, tmp_path):
    plain = runs.make(tmp_path / "plain")
    runs.train(plain)
    watched = runs.make(tmp_path / "watched", sinks=sinks(*KINDS))
    runs.train(watched)
    runs.assert_same_bits(plain, watched)
    assert plain.paths.logger.read_bytes() == watched.paths.logger.read_bytes()
    assert {name for name, _ in logged(watched)} >= {"test_loss", "test_accuracy", "train_loss"}
    assert tensorboard_values(watched.paths.directory) == as_float32(logged(watched))
    assert wandb_values(only_file(tmp_path)) == logged(watched)
    assert wandb_exit_codes(only_file(tmp_path)) == [0]
    assert not plain.paths.tensorboard.exists()


@pytest.mark.parametrize("stop_at", [2, 6])
def test_a_run_that_goes_on_has_every_step_once(runs, tmp_path, stop_at):
    """The first process gets further than its last checkpoint, at iterations 0 and 4, and measures in between."""
    run = runs.make(tmp_path / "run", sinks=sinks(*KINDS))
    with pytest.raises(Stopped):
        runs.train(runs.make(tmp_path / "run", variant=stopping_at(runs, stop_at), sinks=sinks(*KINDS)))
    time.sleep(1.0)  # wandb names its directories by the second
    runs.train(run)
    assert tensorboard_values(run.paths.directory) == as_float32(logged(run))
    assert len(list(run.paths.tensorboard.iterdir())) == 2
    first, second = wandb_files(tmp_path)
    assert wandb_run(first).run_id == wandb_run(second).run_id
    assert wandb_values(second) == logged(run)
    assert wandb_values(first).items() <= logged(run).items()
    assert (wandb_exit_codes(first), wandb_exit_codes(second)) == ([1], [0])


def test_sinks_that_come_later_get_what_was_measured_before(runs, tmp_path):
    with pytest.raises(Stopped):
        runs.train(runs.make(tmp_path, variant=stopping_at(runs, 6)))
    run = runs.make(tmp_path, sinks=sinks(*KINDS))
    runs.train(run)
    assert tensorboard_values(tmp_path) == as_float32(logged(run))
    assert wandb_values(only_file(tmp_path)) == logged(run)


def test_a_run_of_weights_and_biases_is_named_after_the_place_and_holds_all_hyperparameters(runs, tmp_path):
    run = runs.make(tmp_path / "lottery_0" / "replicate_2" / "level_3" / "main", replicate=2, sinks=sinks("wandb"))
    context = RunContext(tmp_path, tmp_path, sinks=sinks("wandb"))
    described = type(run)(**{**vars(run), "context": context})
    runs.train(described)
    file = only_file(tmp_path)
    found, config = wandb_run(file), wandb_config(file)
    assert found.display_name == "lottery_0/replicate_2/level_3/main"
    assert (found.run_group, found.project) == ("lottery_0", "open_lth")
    assert (config["replicate"], config["level"], config["variant"]) == (2, 0, "deterministic")
    assert config["training_hparams"]["momentum"] == 0.9 and config["dataset_hparams"]["dataset_name"] == "digits"
    assert file.is_relative_to(described.paths.directory / "wandb")


def test_weights_and_biases_own_variables_say_where_and_under_which_project(runs, tmp_path, set_wandb):
    set_wandb("WANDB_DIR", str(tmp_path / "elsewhere"))
    set_wandb("WANDB_PROJECT", "tickets")
    for directory, kind in (("a", SINKS.get("wandb")()), ("b", SINKS.get("wandb")(project="by flag"))):
        runs.train(runs.make(tmp_path / directory, sinks={"wandb": kind}))
        assert not (tmp_path / directory / "wandb").exists()
    files = wandb_files(tmp_path / "elsewhere")
    assert sorted(wandb_run(file).project for file in files) == ["by flag", "tickets"]


def test_weights_and_biases_can_be_switched_off_by_its_own_variable(runs, tmp_path, set_wandb):
    set_wandb("WANDB_MODE", "disabled")
    run = runs.make(tmp_path, sinks=sinks("wandb"))
    runs.train(run)
    assert run.is_done and not wandb_files(tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_a_place_that_cannot_be_written_costs_the_sink_and_not_the_run(runs, tmp_path, caplog, name):
    plain = runs.make(tmp_path / "plain")
    runs.train(plain)
    run = runs.make(tmp_path / "run", sinks=sinks(name))
    run.paths.directory.mkdir()
    (run.paths.directory / name).write_text("in the way")
    runs.train(run)
    [message] = caplog.messages
    assert re.match(rf"--{name} is switched off for .*, whose logger gets everything: .*File exists", message)
    runs.assert_same_bits(plain, run)
