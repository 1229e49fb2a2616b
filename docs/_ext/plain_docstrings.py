"""Docstrings of this project are plain text with code in single backticks; reStructuredText wants them otherwise."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_FORMULA_OR_BAR = re.compile(r"^ *\.\. math::.*|\|", re.MULTILINE)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)(?=(\w)?)")


def _escaped(found: re.Match[str]) -> str:
    return r"\|" if found[0] == "|" else found[0]


def as_restructured_text(docstring: str) -> str:
    """Return a docstring with its code marked as such, and its bars kept from looking like substitutions."""
    parts = _CODE.split(docstring)  # text, code, what follows it, text, ...
    for index, part in enumerate(parts):
        if index % 3 == 0:
            parts[index] = _FORMULA_OR_BAR.sub(_escaped, part)
        elif index % 3 == 1:
            parts[index] = f"``{' '.join(part.split())}``"
        else:
            parts[index] = r"\ " if part else ""
    return "".join(parts)


def _convert(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = as_restructured_text("\n".join(lines)).splitlines()
    if what in ("attribute", "data", "property"):
        # Or else napoleon would take what stands before a colon in the first line for a type.
        lines.insert(0, "\\ ")


def setup(app: Sphinx) -> dict[str, bool]:
    """Convert docstrings before napoleon reads their sections."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", _convert, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
