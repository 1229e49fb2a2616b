"""The sparsest tickets that match the dense network, with each kind of spread."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from open_lth.analysis.matching import PASSES, REPLICATES, TEST_SET, matching_tickets


def lottery(accuracies: list[float], replicate: int = 1, method: str = "IMP", **changes: object) -> pd.DataFrame:
    """Return the table of a lottery whose levels have these accuracies and halve the weights."""
    rows = [
        {"panel": "LeNet", "method": method, "experiment": f"lottery_{method}", "replicate": replicate, "level": level,
         "kind": "main", "density": 0.5**level, "peak_accuracy": accuracy, "final_accuracy_std": math.nan,
         "test_examples": 100, "directory": f"{method}/{replicate}/{level}", **changes}
        for level, accuracy in enumerate(accuracies)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"level": "Int64"})


def match(*parts: pd.DataFrame) -> pd.Series:
    return matching_tickets(pd.concat(parts, ignore_index=True)).iloc[-1]


def test_one_dense_network_spreads_as_an_accuracy_on_its_test_set_does():
    found = match(lottery([0.9, 0.95, 0.871, 0.869]))
    assert found["std"] == pytest.approx(math.sqrt(0.9 * 0.1 / 100)) and found["std_over"] == TEST_SET
    assert found[["level", "density", "accuracy"]].tolist() == [2, 0.25, 0.871]
    assert found[["last_level", "last_density", "replicates"]].tolist() == [3, 0.125, 1]


def test_one_dense_network_that_differs_from_pass_to_pass_spreads_so():
    found = match(lottery([0.9, 0.89, 0.88], final_accuracy_std=0.015))
    assert (found["std"], found["std_over"], found["level"]) == (0.015, PASSES, 1)


def test_passes_that_all_agree_say_nothing_of_the_spread():
    assert match(lottery([0.9, 0.9], final_accuracy_std=0.0))["std_over"] == TEST_SET


def test_several_replicates_spread_by_themselves_and_means_are_compared():
    first = lottery([0.90, 0.90, 0.98], final_accuracy_std=0.5)
    second = lottery([0.94, 0.90, 0.70], replicate=2, final_accuracy_std=0.5)
    found = match(first, second)
    assert found["std"] == pytest.approx(np.std([0.90, 0.94], ddof=1)) and found["std_over"] == REPLICATES
    assert found["dense"] == pytest.approx(0.92) and found["replicates"] == 2
    assert (found["level"], found["accuracy"]) == (1, pytest.approx(0.90))


def test_a_later_level_matches_even_if_one_between_does_not():
    assert match(lottery([0.9, 0.5, 0.9]))["level"] == 2


def test_without_a_level_that_matches_none_is_named():
    found = match(lottery([0.9, 0.5, 0.4]))
    assert found[["level", "density", "accuracy"]].isna().all() and found["last_level"] == 2


def test_a_branch_is_held_against_the_dense_networks_of_its_own_trunk():
    trunk, other = lottery([0.9, 0.9]), lottery([0.1, 0.1], method="another trunk")
    branch = lottery([0.0, 0.5, 0.9], method="transplant", experiment="lottery_IMP", kind="transplant").iloc[1:]
    found = matching_tickets(pd.concat([trunk, other, branch])).set_index("method")
    assert found.loc["transplant", ["dense", "level"]].tolist() == [0.9, 2]
    assert list(found.index) == ["IMP", "another trunk", "transplant"]


def test_a_method_without_dense_network_or_without_tickets_is_left_out():
    assert matching_tickets(lottery([0.9])).empty
    assert matching_tickets(lottery([0.9, 0.9]).iloc[1:]).empty
