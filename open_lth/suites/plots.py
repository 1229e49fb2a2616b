"""What can be plotted: figures by name, as plain data, so that naming them imports no drawing library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foundations.errors import InvalidValue, one_of
from foundations.registry import Registry
from open_lth.suites.suite import SUITES


@dataclass(frozen=True)
class Plot:
    """How the runs of suites become a figure and a table.

    Args:
        suites: the names of the suites whose runs it needs.
        module: the module whose function `make(runs: SuiteRuns, styles, title, **options) -> Drawing` makes it.
        title: what the figure shows; if empty, that of the first suite.
        options: further arguments of the function.
    """

    suites: tuple[str, ...]
    module: str = "open_lth.figures.accuracy"
    title: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


PLOTS: Registry[Plot] = Registry("figure")
"""By the figure's name on the command line. A suite without an entry of its name gets curves of the accuracy."""


def figure_names() -> list[str]:
    """Return the names of all figures: of the suites, then of those that show their runs in other ways."""
    return list(dict.fromkeys([*SUITES.names(), *PLOTS.names()]))


def plot_of(name: str) -> Plot:
    """Return the plot of a name.

    Raises:
        InvalidValue: if there is none.
    """
    if name in PLOTS:
        return PLOTS.get(name)
    if name in SUITES:
        return Plot((name,))
    raise InvalidValue("figure", name, one_of(figure_names(), name))


def title_of(name: str) -> str:
    """Return a figure's title, with its number if it has one."""
    plot = plot_of(name)
    title = plot.title or SUITES.get(plot.suites[0]).title
    kind, number = _numbered(name)
    return f"{kind.capitalize()} {number}: {title}" if number else title


def stem_of(name: str) -> str:
    """Return the name of a figure's files, without their kind."""
    kind, number = _numbered(name)
    return f"{kind}_{number}" if number else name


def _numbered(name: str) -> tuple[str, str]:
    """Split `4` into figure and 4, `table1` into table and 1; other names have no number."""
    if name.isdigit():
        return "figure", name
    number = name.removeprefix("table")
    return ("table", number) if number != name and number.isdigit() else ("", "")
