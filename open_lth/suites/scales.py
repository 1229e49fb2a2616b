"""Scales by name or file."""

from __future__ import annotations

import os
from pathlib import Path

from foundations.errors import InvalidValue, one_of
from foundations.registry import Registry
from foundations.settings import read_object
from open_lth.suites.suite import Scale

SCALES: Registry[Path] = Registry("scale")
"""The files of the scales that have a name."""


def read_scale(name: str) -> Scale:
    """Return the scale of a name, or of a JSON file of the user's own.

    Raises:
        UserError: if there is none, or the file cannot be read.
    """
    path = SCALES.get(name) if name in SCALES else Path(os.path.expanduser(name))
    if not path.is_file():
        raise InvalidValue("scale", name, f"{one_of(SCALES.names(), name)} or the path of a JSON file")
    return Scale(read_object("scale", path), name)
