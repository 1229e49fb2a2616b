"""The old names of a wheel's packages, for whoever imports them so.

Each of Python's processes imports this file, by the wheel's `open_lth.pth`: it takes a millisecond, since it needs only
what Python has imported anyway.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

PARENT = "open_lth.packages"
_ROOM = os.path.join(os.path.dirname(os.path.dirname(__file__)), "packages")
_GROUPS = ("open_lth.plugins", "open_lth.contracts")


def moved_names() -> frozenset[str]:
    """Return the packages and modules that are inside `open_lth`: none in a checkout."""
    entries = os.listdir(_ROOM) if os.path.isdir(_ROOM) else []
    return frozenset(entry.removesuffix(".py") for entry in entries if not entry.startswith("_"))


def install() -> None:
    """Let this process find the old names, unless it does."""
    names = moved_names()
    if names and not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, OldNames(names))


class OldNames:
    """Finds the packages by their old names, and plugins that import them so.

    A name that somebody else has, such as the `datasets` of Hugging Face, is theirs, but not for plugins: theirs are
    loaded as if they had been written for the packages' new names.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._plugins: frozenset[str] | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what loads a module, or None if others are to find it."""
        root = fullname.partition(".")[0]
        if root in self._names:
            alias: Any = _Alias(f"{PARENT}.{fullname}")
            return ModuleSpec(fullname, alias) if self._is_ours(fullname, path) else None
        if f"{PARENT}.foundations" in sys.modules and root in self._names_of_plugins():
            spec = self._found_by_others(fullname, path)
            if spec is not None and type(spec.loader) is SourceFileLoader:
                from open_lth.installation.loader import RewritingLoader

                spec.loader = RewritingLoader(fullname, spec.loader.path, self._names, PARENT)
            return spec
        return None

    def _is_ours(self, fullname: str, path: Sequence[str] | None) -> bool:
        root, _, inner = fullname.partition(".")
        if inner:
            return root in sys.modules and sys.modules[root] is sys.modules.get(f"{PARENT}.{root}")
        spec = self._found_by_others(fullname, path)
        return spec is None or spec.origin is None  # a folder of that name without a package in it is no package

    def _found_by_others(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        found = (finder.find_spec(fullname, path) for finder in sys.meta_path if finder is not self)
        return next((spec for spec in found if spec is not None), None)

    def _names_of_plugins(self) -> frozenset[str]:
        """Return the top-level names of plugins."""
        if self._plugins is None:
            self._plugins = frozenset()  # for what is imported to find out
            from importlib.metadata import entry_points

            entries = (entry for group in _GROUPS for entry in entry_points(group=group))
            self._plugins = frozenset(entry.module.partition(".")[0] for entry in entries) - {"open_lth"}
        return self._plugins


class _Alias:
    """Gives a module under a second name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module, imported under its own name."""
        __import__(self._name)
        module = sys.modules[self._name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it was: Python has just given it the second name's spec."""
        module.__spec__ = self._spec
