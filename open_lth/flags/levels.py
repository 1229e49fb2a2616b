"""Levels as they are typed."""

from __future__ import annotations

import re

from foundations.errors import InvalidValue, UserError

_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?", re.ASCII)


def read_levels(text: str | None) -> list[int]:
    """Return the levels that `0-2,5-8,12` stands for, ascending.

    Raises:
        UserError: if the text is missing or malformed.
    """
    if not text:
        raise UserError("--levels is required: levels and ranges of them, e.g. --levels=0-2,5-8,12")
    levels: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InvalidValue("levels", text, "must be levels and ascending ranges of them, e.g. 0-2,5-8,12")
        levels.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return sorted(levels)
