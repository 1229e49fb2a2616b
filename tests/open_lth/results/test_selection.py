from __future__ import annotations

import math

import pandas as pd
import pytest

from foundations.errors import InvalidValue, UserError
from open_lth.results.selection import LAST, PEAK, VALIDATION, find_selection


def test_each_selects_its_own_columns():
    assert [find_selection(name).column("mace") for name in ("peak", "last", "validation")] == [
        "peak_mace",
        "final_mace",
        "chosen_mace",
    ]


def test_another_name_is_answered_with_the_valid_ones():
    with pytest.raises(InvalidValue, match="--select=best: valid values are peak, last, validation"):
        find_selection("best")


def test_validation_needs_a_run_that_has_held_examples_out():
    without = pd.DataFrame({"peak_accuracy": [0.9], "final_accuracy": [0.9], "chosen_accuracy": [math.nan]})
    PEAK.check(without)
    LAST.check(without)
    with pytest.raises(UserError, match=r"--select=validation: .*--validation_fraction"):
        VALIDATION.check(without)
    VALIDATION.check(without.assign(chosen_accuracy=0.8))


def test_where_nothing_is_trained_there_is_no_epoch_to_select():
    VALIDATION.check(pd.DataFrame({"chosen_accuracy": []}))
