"""Texts of others, such as names of files and labels, made safe for where they are shown."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "@")


def as_csv_cell(value: Any) -> Any:
    """Return what stands for a value in a CSV file: a text that a spreadsheet would take for a formula is quoted.

    Numbers stay as they are, in texts too.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
