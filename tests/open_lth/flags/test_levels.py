"""The levels of a branch: lists of levels and ranges."""

from __future__ import annotations

import pytest

from foundations.errors import UserError
from open_lth.flags.levels import read_levels


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("0", [0]),
        ("0-2,5-8,12", [0, 1, 2, 5, 6, 7, 8, 12]),
        ("3-3", [3]),
        ("12,1", [1, 12]),
        ("1-3,2-4,2", [1, 2, 3, 4]),
        ("007", [7]),
    ],
)
def test_ranges_include_their_ends_and_each_level_comes_once_in_order(text, levels):
    assert read_levels(text) == levels


@pytest.mark.parametrize("text", ["3-1", "1,,2", "a", "-1", "1-", "-", ",", "1,", " 1", "1 ", "1-2-3", "1.5", "٣", ""])
def test_anything_else_is_refused(text):
    with pytest.raises(UserError, match=r"--levels.*0-2,5-8,12"):
        read_levels(text)


def test_no_levels_at_all_are_asked_for():
    with pytest.raises(UserError, match="--levels is required"):
        read_levels(None)


def test_a_branch_runs_at_each_level_asked_for_and_at_no_other(trunk):
    directory = trunk.branch("reinit", levels="0,2")
    levels = {path.parent.parent.name for path in trunk.directory.glob(f"level_*/{directory.name}/logger")}
    assert levels == {"level_0", "level_2"}
