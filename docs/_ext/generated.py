"""Fills pages in from the code: `<!-- generated: NAME -->` becomes what the function of that name writes.

A page's file has its prose and these comments, which a code host does not show; what is generated is never committed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import command_line
import hyperparameters
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import cli

PAGES = {"hyperparameters": hyperparameters.GENERATED, "command_line": command_line.GENERATED}
_PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def filled_in(page: str, text: str) -> str:
    """Return a page's text with everything generated in its place.

    Raises:
        KeyError: if nothing has the name.
    """
    return _PLACE.sub(lambda place: PAGES[page][place[1]](), text)


def _fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    if page in PAGES:
        source[0] = filled_in(page, source[0])


def _always_outdated(app: Sphinx, environment: BuildEnvironment, *changes: set[str]) -> Sequence[str]:
    return sorted(PAGES)


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages in as they are read, in every build, since the code may have changed."""
    cli.load_plugins()
    app.connect("source-read", _fill_in)
    app.connect("env-get-outdated", _always_outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
