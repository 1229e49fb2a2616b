"""One kind of registry for everything that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from foundations.errors import InvalidValue, one_of

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Names and what they stand for, in the order of registration.

    Args:
        flag: the command-line flag by which users choose an entry; error messages name it.
    """

    def __init__(self, flag: str) -> None:
        self.flag = flag
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[Entry], Entry]:
        """Return a decorator that registers what it decorates.

        Raises:
            ValueError: if a name is taken already.
        """

        def decorate(entry: Entry) -> Entry:
            for taken in (name, *aliases):
                if taken in self._entries or taken in self._aliases:
                    raise ValueError(f"--{self.flag}: {taken} is registered twice")
            self._entries[name] = entry
            self._aliases.update(dict.fromkeys(aliases, name))
            return entry

        return decorate

    def get(self, name: str) -> Entry:
        """Return the entry of a name or alias.

        Raises:
            InvalidValue: if there is none; the message lists the valid names.
        """
        name = self._aliases.get(name, name)
        if name not in self._entries:
            raise InvalidValue(self.flag, name, one_of(self.names()))
        return self._entries[name]

    def names(self) -> list[str]:
        """Return every name and alias."""
        return [*self._entries, *self._aliases]

    def names_of(self, name: str) -> list[str]:
        """Return a name with its aliases."""
        return [name, *(alias for alias, target in self._aliases.items() if target == name)]

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Iterate over names (aliases left out) and entries."""
        return iter(self._entries.items())

    def __contains__(self, name: str) -> bool:
        return name in self._entries or name in self._aliases
