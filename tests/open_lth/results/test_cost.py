"""What runs cost with all that they rest on: sums of recorded seconds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from open_lth.results.cost import total_seconds

HASH = "0123456789abcdef0123456789abcdef"
TRANSPLANT = f"lottery_branch_transplant_{HASH}"


@pytest.fixture
def replicate(tmp_path: Path) -> Path:
    """A lottery whose levels took 1, 10 and 100 seconds, those of learning rate rewinding 20 and 200."""
    directory = tmp_path / f"lottery_{HASH}" / "replicate_2"
    seconds = {"level_0/main": 1, "level_1/main": 10, "level_2/main": 100, "level_1/lrr": 20, "level_2/lrr": 200}
    for place, value in seconds.items():
        (directory / place).mkdir(parents=True)
        (directory / place / "timing.json").write_text(json.dumps({"seconds": value}))
    return directory


def total(directory: Path, level: int | None, kind: str, seconds: float) -> float:
    row = {"level": level, "kind": kind, "seconds": seconds, "replicate": 2, "directory": str(directory)}
    return float(total_seconds(pd.DataFrame([row]).astype({"level": "Int64"})).iloc[0])


@pytest.mark.parametrize(("level", "expected"), [(0, 1), (1, 1 + 10), (2, 1 + 10 + 100)])
def test_a_ticket_costs_its_own_training_and_that_of_all_levels_before(replicate, level, expected):
    assert total(replicate / f"level_{level}" / "main", level, "main", [1, 10, 100][level]) == expected


def test_learning_rate_rewinding_rests_on_its_own_levels_and_the_shared_level_0(replicate):
    assert total(replicate / "level_0" / "main", 0, "main", 1) == 1
    assert total(replicate / "level_1" / "lrr", 1, "lrr", 20) == 1 + 20
    assert total(replicate / "level_2" / "lrr", 2, "lrr", 200) == 1 + 20 + 200


def test_a_transplant_costs_the_search_in_its_trunk_but_not_the_training_of_the_trunks_ticket(replicate):
    assert total(replicate / "level_2" / TRANSPLANT, 2, "transplant", 1000) == 1 + 10 + 1000


def test_a_training_without_levels_costs_itself(tmp_path):
    assert total(tmp_path / f"train_{HASH}" / "replicate_2" / "main", None, "main", 7) == 7


def test_a_sum_with_an_unknown_part_is_missing(replicate):
    (replicate / "level_0" / "main" / "timing.json").unlink()
    assert math.isnan(total(replicate / "level_2" / "main", 2, "main", 100))
