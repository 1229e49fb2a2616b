"""The sparsest tickets that match the dense network, with each kind of spread."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from foundations.errors import UserError
from open_lth.results.matching import REPLICATES, TEST_SET, matching_tickets


def lottery(accuracies: list[float], replicate: int = 1, method: str = "IMP", **changes: object) -> pd.DataFrame:
    """Return the table of a lottery whose levels have these accuracies and halve the weights."""
    rows = [
        {
            "panel": "LeNet",
            "method": method,
            "experiment": f"lottery_{method}",
            "replicate": replicate,
            "level": level,
            "kind": "main",
            "density": 0.5**level,
            "peak_accuracy": accuracy,
            "final_accuracy_std": math.nan,
            "test_examples": 100,
            "directory": f"{method}/{replicate}/{level}",
            **changes,
        }
        for level, accuracy in enumerate(accuracies)
    ]
    return pd.DataFrame(rows).astype({"level": "Int64"})


def match(*parts: pd.DataFrame) -> pd.Series:
    return matching_tickets(pd.concat(parts, ignore_index=True)).iloc[-1]


def test_one_dense_network_spreads_as_an_accuracy_on_its_test_set_does():
    found = match(lottery([0.9, 0.95, 0.871, 0.869]))
    assert found["std"] == pytest.approx(math.sqrt(0.9 * 0.1 / 100)) and found["std_over"] == TEST_SET
    assert found[["level", "density", "accuracy"]].tolist() == [2, 0.25, 0.871]
    assert found[["last_level", "last_density", "replicates"]].tolist() == [3, 0.125, 1]


def test_all_methods_are_held_to_the_same_yardstick_whether_they_were_evaluated_repeatedly_or_not():
    tables = [
        lottery([0.9, 0.89, 0.88], method=name, final_accuracy_std=std)
        for name, std in (("IMP", math.nan), ("Bayesian", 0.0001))
    ]
    found = matching_tickets(pd.concat(tables))
    assert found["std"].nunique() == 1 and found["std_over"].tolist() == [TEST_SET, TEST_SET]
    assert found["level"].tolist() == [2, 2]


def test_several_replicates_spread_by_themselves_and_means_are_compared():
    first, second = lottery([0.88, 0.90, 0.98]), lottery([0.96, 0.88, 0.70], replicate=2)
    found = match(first, second)
    assert found["std"] == pytest.approx(np.std([0.88, 0.96], ddof=1)) and found["std_over"] == REPLICATES
    assert found["dense"] == pytest.approx(0.92) and found["replicates"] == 2
    assert (found["level"], found["accuracy"]) == (1, pytest.approx(0.89))


@pytest.mark.parametrize("other", [0.9, 0.901])
def test_replicates_that_agree_by_chance_do_not_narrow_what_the_test_set_can_tell(other):
    found = match(lottery([0.9, 0.88]), lottery([other, 0.88], replicate=2))
    assert found["std"] == pytest.approx(math.sqrt(0.9 * 0.1 / 100), rel=0.01) and found["std_over"] == TEST_SET
    assert found["level"] == 1


def test_the_replicates_are_the_lesser_of_the_dense_networks_and_those_of_the_level():
    all_three = [lottery([0.9, 0.9, 0.1], replicate=number) for number in (1, 2, 3)]
    assert match(*all_three)["replicates"] == 3
    assert match(*all_three[:1], *(one.iloc[:1] for one in all_three[1:]))["replicates"] == 1


def test_a_later_level_matches_even_if_one_between_does_not():
    assert match(lottery([0.9, 0.5, 0.9]))["level"] == 2


def test_without_a_level_that_matches_none_is_named():
    found = match(lottery([0.9, 0.5, 0.4]))
    assert found[["level", "density", "accuracy"]].isna().all() and found["last_level"] == 2


def test_a_method_whose_dense_network_is_handicapped_is_held_to_the_best_one_as_well():
    found = matching_tickets(pd.concat([lottery([0.90, 0.91, 0.80]), lottery([0.80, 0.89, 0.85], method="Bayesian")]))
    own = found.set_index("method").loc["Bayesian"]
    assert own[["dense", "level", "density"]].tolist() == [0.80, 2, 0.25]
    assert own[["best_dense", "best_level", "best_density"]].tolist() == [0.90, 1, 0.5]
    assert found.set_index("method").loc["IMP", ["best_dense", "best_level"]].tolist() == [0.90, 1]


def test_a_branch_is_held_against_the_dense_networks_of_its_own_trunk():
    trunk, other = lottery([0.9, 0.9]), lottery([0.1, 0.1], method="another trunk")
    branch = lottery([0.0, 0.5, 0.9], method="transplant", experiment="lottery_IMP", kind="transplant").iloc[1:]
    found = matching_tickets(pd.concat([trunk, other, branch])).set_index("method")
    assert found.loc["transplant", ["dense", "level"]].tolist() == [0.9, 2]
    assert list(found.index) == ["IMP", "another trunk", "transplant"]


def test_a_method_without_dense_network_or_without_tickets_is_left_out():
    barely_begun, orphan = lottery([0.9], method="barely begun"), lottery([0.9, 0.9], method="orphan").iloc[1:]
    found = matching_tickets(pd.concat([lottery([0.9, 0.9]), barely_begun, orphan]))
    assert found["method"].tolist() == ["IMP"]
    for nothing in (barely_begun, orphan):
        with pytest.raises(UserError, match="no level above 0 is finished beside a dense network"):
            matching_tickets(nothing)
