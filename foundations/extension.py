"""Hyperparameters that plugins add to groups that are there: flags beside the group's own, in the same hash."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar

from foundations.hparams import Hparams
from foundations.messages import LOGGER
from foundations.registry import Registry

Added = TypeVar("Added", bound=Hparams)

EXTENSIONS: Registry[tuple[type[Hparams], type[Hparams]]] = Registry("extension")
"""By the names of both: a group, and the fields that are added to it and to all that derive from it."""

_COMBINED = "__combined__"
"""What tells a group with all that was added to it from one that somebody has written."""


def extends(group: type[Hparams]) -> Callable[[type[Added]], type[Added]]:
    """Return a decorator that adds the fields of a dataclass of hyperparameters to a group.

    Values of the group are then instances of both. A field at its default leaves no trace in a hash, so experiments
    keep their names.

    Raises:
        ValueError: if a field has no default, or the group, or one that derives from it, has one of its name.
    """

    def decorate(added: type[Added]) -> type[Added]:
        taken = {f.name: to.__name__ for to in _with_derived(group) for f in fields(extended(to))}
        for f in fields(added):
            if f.default is MISSING:
                raise ValueError(f"{added.__name__}.{f.name}: must have a default, which means that it has no effect")
            if f.name in taken:
                raise ValueError(f"{added.__name__}.{f.name}: {taken[f.name]} has a field of this name")
        EXTENSIONS.register(f"{group.__name__}.{added.__name__}")((group, added))
        return added

    return decorate


def _with_derived(group: type[Hparams]) -> Iterator[type[Hparams]]:
    """Yield all that derive from a group, then the group itself."""
    for derived in group.__subclasses__():
        if is_dataclass(derived) and _COMBINED not in vars(derived):
            yield from _with_derived(derived)
    yield group


def withdraw(field: str) -> bool:
    """Take out what a plugin has added, a field of this name among it, and say so; return whether there was such."""
    for name, (group, added) in [*EXTENSIONS.items()]:
        if field in {f.name for f in fields(added)}:
            owner = EXTENSIONS.owner_of(name) or added.__module__
            EXTENSIONS.remove(name)
            text = "the plugin %s: what it adds to %s is left out, since there is another flag --%s"
            LOGGER.warning(text, owner, group.__name__, field)
            return True
    return False


def extended(group: type[Any]) -> type[Any]:
    """Return a group with all that was added to it; any other class as it is."""
    if not (isinstance(group, type) and issubclass(group, Hparams) and is_dataclass(group)):
        return group
    added = tuple(own for _, (to, own) in EXTENSIONS.items() if issubclass(group, to) and not issubclass(group, own))
    return _combined(group, added) if added else group


def added_values(hparams: Hparams, group: type[Hparams]) -> dict[str, object]:
    """Return the values that are not their defaults of what was added to a group, by field."""
    own = {f.name for f in fields(group)}
    return {f.name: getattr(hparams, f.name) for f in hparams.essential_fields() if f.name not in own}


def _combine(group: type[Hparams], added: tuple[type[Hparams], ...]) -> type[Hparams]:
    parts = (group, *added)

    def check(self: Hparams) -> None:
        for part in parts:
            if hasattr(part, "__post_init__"):
                part.__post_init__(self)

    def reduce(self: Hparams) -> tuple[Any, ...]:
        return _rebuilt, (group, added, {f.name: getattr(self, f.name) for f in fields(self)})

    content = {
        _COMBINED: True,
        "__post_init__": check,
        "__reduce__": reduce,
        "__doc__": group.__doc__,
        "__module__": group.__module__,
    }
    return dataclass(frozen=True, kw_only=True)(type(group.__name__, parts, content))


_combined: Callable[[Any, Any], type[Hparams]] = functools.lru_cache(maxsize=64)(_combine)


def _rebuilt(group: type[Hparams], added: tuple[type[Hparams], ...], values: dict[str, Any]) -> Hparams:
    return _combined(group, added)(**values)
