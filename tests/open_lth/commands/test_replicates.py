"""Commands for several replicates: each is what it is alone, one after another or side by side."""

from __future__ import annotations

import pytest

from foundations.errors import UserError
from open_lth.commands.replicates import command_of, replicates_of
from tests.open_lth.running import LENET, results

LOTTERY = ("lottery", *LENET, "--levels=1", "--quiet")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1-3", [1, 2, 3]), ("1,4", [1, 4]), ("2-3,1,3", [1, 2, 3]), ("5-5", [5]), ("3", []), ("x", []), ("", [])],
)
def test_numbers_and_ranges(text, numbers):
    assert replicates_of(("lottery", f"--replicate={text}", "--levels=1")) == numbers
    assert replicates_of(("lottery", "--replicate", text, "--levels=1")) == numbers
    assert command_of(("lottery", "--replicate", "1-2", "--levels=1"), 2) == ("lottery", "--levels=1", "--replicate=2")


def test_an_ensemble_of_all_replicates_takes_no_choice_of_them():
    words = ("evaluate", "lottery", "--levels=1", "--replicate=1-3")
    with pytest.raises(UserError, match=r"--replicate=1-3: --ensemble=replicates averages all that are finished"):
        replicates_of((*words, "--ensemble=replicates"))
    assert replicates_of((*words, "--ensemble=levels")) == [1, 2, 3]


def test_each_is_to_the_bit_what_it_is_alone(workplace):
    workplace.done(*LOTTERY, "--replicate=1-2")
    place = workplace.place(*LOTTERY).parent
    together = {number: results(place / f"replicate_{number}") for number in (1, 2)}
    assert together[1] and together[1] != together[2]
    for number in (1, 2):
        (place / f"replicate_{number}").rename(place / f"kept_{number}")
        workplace.done(*LOTTERY, f"--replicate={number}")
        assert results(place / f"replicate_{number}") == together[number]


def test_branches_and_evaluations_have_them_too(workplace):
    workplace.done(*LOTTERY, "--replicate=1-2")
    words = ("lottery_branch", "reinit", *LENET, "--levels=1", "--quiet")
    workplace.done(*words, "--replicate=1,2")
    workplace.done("evaluate", *words, "--replicate=1-2", "--passes=2")
    places = [workplace.place(*words, f"--replicate={number}") for number in (1, 2)]
    assert all((place / "evaluation.json").exists() for place in places)
    shown = workplace.done(*LOTTERY, "--replicate=1-2", "--display_output_location").out.splitlines()
    assert [line.rpartition("replicate_")[2][0] for line in shown] == ["1", "2"]


def test_side_by_side_each_is_a_job_and_a_branch_one_for_each_level(workplace):
    lottery = ("lottery", *LENET, "--levels=2")
    out = workplace.done(*lottery, "--replicate=1-2", "--jobs=2", "--threads=1").out
    assert {line for line in out.splitlines() if "done (" in line} >= {"lottery, replicate 2  done (2 of 2)"} or (
        "lottery, replicate 1  done (2 of 2)" in out
    )
    words = ("lottery_branch", "reinit", *LENET, "--levels=1-2", "--replicate=1-2", "--jobs=2", "--threads=1")
    assert "(4 of 4)" in workplace.done(*words).out
    assert workplace.done(*words, "--quiet").out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--replicate=3-1",), "--replicate=3-1: must be numbers from 1 and ascending ranges"),
        (("--replicate=0-1",), "--replicate=0-1: must be numbers from 1"),
        (("--replicate=1-2", "--jobs=0"), "--jobs=0: must be a whole number"),
        (("--replicate=1-2", "--lr=-1"), "--lr=-1.0"),
        (("--replicate=1-2", "--jobs=2", "--lr=-1"), "--lr=-1.0"),
    ],
)
def test_mistakes_are_refused(workplace, words, message):
    assert message in workplace.refused(*LOTTERY, *words)
    assert not workplace.root.exists()


def test_under_torchrun_there_is_one(workplace, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "under torchrun a command has one replicate" in workplace.refused(*LOTTERY, "--replicate=1-2")
