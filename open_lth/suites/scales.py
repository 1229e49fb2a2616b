"""Scales by name or file."""

from __future__ import annotations

import json
from pathlib import Path

from foundations.errors import InvalidValue, UserError, one_of
from foundations.flags import user_path
from foundations.registry import Registry
from open_lth.suites.suite import Scale

SCALES: Registry[Path] = Registry("scale")
"""The files of the scales that have a name."""


def read_scale(name: str) -> Scale:
    """Return the scale of a name, or of a JSON file of the user's own.

    Raises:
        UserError: if there is none, or the file cannot be read.
    """
    path = SCALES.get(name) if name in SCALES else user_path("scale", name)
    if not path.is_file():
        raise InvalidValue("scale", name, f"{one_of(SCALES.names())} or the path of a JSON file")
    try:
        scale = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except ValueError as error:  # not JSON, not UTF-8, or a key that is there twice
        raise UserError(f"--scale={name}: is no JSON file: {error}") from None
    if not isinstance(scale, dict):
        raise UserError(f"--scale={name}: must hold one JSON object")
    return scale


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{repeated} is there twice")
    return found
