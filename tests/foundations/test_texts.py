from __future__ import annotations

import math

import pytest

from foundations.texts import as_csv_cell


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "=HYPERLINK(0)"])
def test_a_text_that_a_spreadsheet_would_compute_is_quoted(text: str) -> None:
    assert as_csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "a = b", "-", "+1.5", "-1.5", "+inf", 1.5, -2, None, "Bayesian, |μ|/σ"])
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert as_csv_cell(value) is value


def test_what_is_missing_stays_missing() -> None:
    assert math.isnan(as_csv_cell(math.nan))
