"""Plugins: what they register, and what is wrong with those that cannot be loaded."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from foundations.errors import UserError
from open_lth.plugins.registries import REGISTRIES

Names = Mapping[str, tuple[str, ...]]
"""By registry, the names of entries."""


@dataclass(frozen=True)
class Plugin:
    """A package that adds to this one.

    Args:
        source: the distribution that it is from, with its version.
        register: what registers all that it brings.
    """

    name: str
    source: str
    register: Callable[[], object]


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin after the attempt to load it.

    Args:
        problem: why that failed, or nothing.
        names: what it registered; of one that failed, up to there.
    """

    name: str
    source: str
    problem: str
    names: Names


def load(plugin: Plugin) -> LoadedPlugin:
    """Let a plugin register what it brings; whatever goes wrong there is told, not raised."""
    before, problem = registered(), ""
    try:
        plugin.register()
    except Exception as error:
        problem = _told(error)
    found = {what: tuple(name for name in names if name not in before.get(what, ()))
             for what, names in registered().items()}  # fmt: skip
    return LoadedPlugin(plugin.name, plugin.source, problem, {what: names for what, names in found.items() if names})


def _told(error: Exception) -> str:
    """Return an error in one line; a mistake in a program, rather than one that explains itself, with its place."""
    text = " ".join(str(error).split())
    if isinstance(error, (UserError, ValueError, ImportError)) and text:
        return text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}{': ' if text else ''}{text} ({Path(place.filename).name}, line {place.lineno})"


def registered() -> Names:
    """Return the names of all entries there are."""
    return {what: tuple(name for name, _ in registry.items()) for what, registry in REGISTRIES.items()}
