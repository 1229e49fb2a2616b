"""Plugins, and what is wrong with those that cannot be loaded.

The project's own entries were registered when this package was imported. What is registered while a plugin is loaded is
the plugin's, whatever it imports.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foundations.errors import UserError
from foundations.registry import registering


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
    """

    name: str
    source: str
    problem: str


def load(plugin: Plugin) -> LoadedPlugin:
    """Let a plugin register what it brings; whatever goes wrong there is told, not raised."""
    problem = ""
    try:
        with registering(plugin.name):
            plugin.register()
    except SystemExit as error:
        problem = f"it ends the program (sys.exit({error.code!r})), as modules do without a main guard"
    except Exception as error:
        problem = _told(error)
    return LoadedPlugin(plugin.name, plugin.source, problem)


def _told(error: Exception) -> str:
    """Return an error in one line; a mistake in a program, rather than one that explains itself, with its place."""
    text = " ".join(str(error).split())
    if isinstance(error, (UserError, ValueError, ImportError)) and text:
        return text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}{': ' if text else ''}{text} ({Path(place.filename).name}, line {place.lineno})"
