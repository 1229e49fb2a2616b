"""Runs are found by what people call them."""

from __future__ import annotations

import pytest

from foundations.errors import InvalidValue, UserError
from open_lth.results.named import find_run


def test_a_run_is_found_by_its_directory(trunk):
    assert find_run(trunk.workplace.root, str(trunk.level(1))).directory == trunk.level(1)


@pytest.mark.parametrize(
    "name_of",
    [lambda name: name, lambda name: name[:15], lambda name: name[8:14]],
    ids=["name", "beginning", "beginning of the hash"],
)
def test_a_lottery_stands_for_its_last_finished_level(trunk, name_of):
    name = name_of(trunk.directory.parent.name)
    assert find_run(trunk.workplace.root, name).directory == trunk.level(2)
    assert find_run(trunk.workplace.root, name, level=0).directory == trunk.level(0)


def test_a_level_under_learning_rate_rewinding_is_asked_for(trunk):
    trunk.workplace.done("lottery", "--levels=1", "--lrr", "--quiet", *trunk.words)
    name = trunk.directory.parent.name
    assert find_run(trunk.workplace.root, name, lrr=True).directory == trunk.directory / "level_1" / "lrr"
    assert find_run(trunk.workplace.root, name, level=0, lrr=True).directory == trunk.level(0)


def test_a_branch_is_found_by_its_own_name(trunk):
    directory = trunk.branch("reinit", levels="1,2")
    own = directory.name.rpartition("_")[2]
    assert find_run(trunk.workplace.root, own[:8]).directory == trunk.directory / "level_2" / directory.name
    assert find_run(trunk.workplace.root, directory.name, level=1).directory == directory


def test_a_training_run_has_no_levels(workplace):
    words = ("train", "--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--training_steps=1it")
    workplace.done(*words, "--quiet")
    place = workplace.place(*words)
    assert find_run(workplace.root, "train_").directory in (place, place / "main")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"replicate": 2}, "--replicate=2: valid values are 1"),
        ({"level": 7}, "--level=7: finished are 0, 1, 2"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(trunk, asked, said):
    with pytest.raises(InvalidValue, match=said):
        find_run(trunk.workplace.root, "lottery_", **asked)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zzz", "no experiment under .* has this name"),
        ("some/where", "some/where: is not the directory of a finished run"),
    ],
)
def test_a_name_of_nothing_is_refused(trunk, name, said):
    with pytest.raises(UserError, match=said):
        find_run(trunk.workplace.root, name)


def test_a_name_that_two_branches_share_is_refused(trunk):
    trunk.branch("reinit")
    trunk.branch("shuffle", "--seed=0")
    with pytest.raises(UserError, match="several runs begin so: lottery_branch_"):
        find_run(trunk.workplace.root, "lottery_branch")
