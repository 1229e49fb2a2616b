"""One kind of registry for everything that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from foundations.errors import InvalidValue, one_of

Entry = TypeVar("Entry")

_owner: ContextVar[str] = ContextVar("owner", default="")


@contextmanager
def registering(owner: str) -> Iterator[None]:
    """Note whose entries are registered inside the block, at once or deferred."""
    token = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(token)


class Registry(Generic[Entry]):
    """Names and what they stand for, in the order of registration.

    Args:
        flag: the command-line flag by which users choose an entry; error messages name it.
    """

    def __init__(self, flag: str) -> None:
        self.flag = flag
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        self._deferred: list[tuple[str, Callable[[], object]]] = []

    def register(self, name: str, *aliases: str) -> Callable[[Entry], Entry]:
        """Return a decorator that registers what it decorates.

        Raises:
            ValueError: if a name is taken already.
        """

        def decorate(entry: Entry) -> Entry:
            self._complete()
            for taken in (name, *aliases):
                if taken in self._entries or taken in self._aliases:
                    raise ValueError(f"--{self.flag}: {taken} is registered twice")
            self._entries[name] = entry
            self._aliases.update(dict.fromkeys(aliases, name))
            self._owners[name] = _owner.get()
            return entry

        return decorate

    def defer(self, register: Callable[[], object]) -> None:
        """Have a function register more entries once the registry is asked for any, or gets others.

        So what few commands need is imported by those alone.
        """
        self._deferred.append((_owner.get(), register))

    def _complete(self) -> None:
        deferred, self._deferred = self._deferred, []
        for owner, register in deferred:
            with registering(owner):
                register()

    def get(self, name: str) -> Entry:
        """Return the entry of a name or alias.

        Raises:
            InvalidValue: if there is none; the message lists the valid names.
        """
        self._complete()
        name = self._aliases.get(name, name)
        if name not in self._entries:
            raise InvalidValue(self.flag, name, one_of(self.names(), name))
        return self._entries[name]

    def names(self) -> list[str]:
        """Return every name and alias."""
        self._complete()
        return [*self._entries, *self._aliases]

    def names_of(self, name: str) -> list[str]:
        """Return a name with its aliases."""
        self._complete()
        return [name, *(alias for alias, target in self._aliases.items() if target == name)]

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Iterate over names (aliases left out) and entries."""
        self._complete()
        return iter(self._entries.items())

    def owner_of(self, name: str) -> str:
        """Return who registered a name that is no alias: a plugin, or nobody if it is the project's own."""
        self._complete()
        return self._owners.get(name, "")

    def remove(self, name: str) -> None:
        """Take an entry and its aliases out."""
        del self._entries[name]
        self._aliases = {alias: target for alias, target in self._aliases.items() if target != name}

    def __contains__(self, name: str) -> bool:
        self._complete()
        return name in self._entries or name in self._aliases
