"""A run's training is told from its directory."""

from __future__ import annotations

import shutil

import pytest

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.places import default_dataset_root
from open_lth.results.trainings import training_of


def forget_commands(directory) -> None:
    """Leave a results directory as OpenLTH writes it."""
    for path in directory.rglob("command.json"):
        path.unlink()


def test_by_the_command_that_is_kept(trunk, kind):
    run = training_of(RunPaths(trunk.level(2)))
    assert run.paths.directory == trunk.level(2) and run.is_done
    assert run.variant.name == kind
    assert (run.dataset_hparams.dataset_name, run.dataset_hparams.batch_size) == ("digits", 256)
    assert run.streams.level == 2 and run.context.device.type == "cpu"


@pytest.mark.parametrize("of", ["level", "lrr", "branch", "replicate"])
def test_without_a_command_by_the_hyperparameters_that_are_written_down(trunk, kind, of):
    if of == "branch":
        directory = trunk.branch("shuffle", "--seed=3", "--strategy=even")
    elif of == "replicate":
        trunk.workplace.done("lottery", "--levels=0", "--quiet", "--replicate=2", *trunk.words)
        directory = trunk.directory.parent / "replicate_2" / "level_0" / "main"
    elif of == "lrr":
        trunk.workplace.done("lottery", "--levels=1", "--lrr", "--quiet", *trunk.words)
        directory = trunk.directory / "level_1" / "lrr"
    else:
        directory = trunk.level(2)
    kept = training_of(RunPaths(directory))
    forget_commands(trunk.workplace.root)
    told = training_of(RunPaths(directory))
    assert told.paths == kept.paths
    assert (told.model_hparams, told.dataset_hparams) == (kept.model_hparams, kept.dataset_hparams)
    assert (told.training_hparams, told.streams) == (kept.training_hparams, kept.streams)
    assert told.variant.describe() == kept.variant.describe()


def test_a_rewound_lottery_and_a_training_run(workplace):
    flags = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--training_steps=4it", "--quiet")
    workplace.done("lottery", "--levels=0", "--rewinding_steps=2it", *flags)
    workplace.done("train", *flags)
    forget_commands(workplace.root)
    for logger in sorted(workplace.root.rglob("logger")):
        if logger.parent.parent.name != "level_pretrain":
            assert training_of(RunPaths(logger.parent)).paths.directory == logger.parent


def test_a_lottery_of_openlth(openlth_trunk):
    run = training_of(RunPaths(openlth_trunk.level(2)), openlth_trunk.workplace.dataset_root)
    assert run.paths.directory == openlth_trunk.level(2) and run.is_done
    assert run.model_hparams.model_name == "mnist_lenet_12_8"
    assert run.context.dataset_root == openlth_trunk.workplace.dataset_root


def test_results_that_were_moved(trunk, tmp_path):
    shutil.move(trunk.workplace.root, tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / trunk.level(2).relative_to(trunk.workplace.root)
    run = training_of(RunPaths(moved))
    assert run.paths.directory == moved and run.is_done
    assert run.context.dataset_root == default_dataset_root()


def test_hyperparameters_that_are_not_the_runs_are_refused(trunk):
    forget_commands(trunk.workplace.root)
    log = trunk.level(0) / "hparams.log"
    text = log.read_text().replace("batch_size => 256", "batch_size => 255")
    (trunk.level(0) / ".hparams.log.sha256").unlink()
    log.write_text(text)
    with pytest.raises(UserError, match="its hyperparameters lead to another name"):
        training_of(RunPaths(trunk.level(1)))


def test_a_field_that_nobody_knows_is_refused(trunk):
    forget_commands(trunk.workplace.root)
    log = trunk.level(0) / "hparams.log"
    (trunk.level(0) / ".hparams.log.sha256").unlink()
    log.write_text(log.read_text() + "\n    * colour => blue")
    with pytest.raises(UserError, match=r"how it was made cannot be told: .*colour"):
        training_of(RunPaths(trunk.level(1)))
