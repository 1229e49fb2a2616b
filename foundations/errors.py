"""Mistakes of the user, which end in one line instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from foundations.suggestions import nearest

_OF_THE_TIME = ("timing.json", "command.json")
"""Files that say when and where something was done."""


class UserError(Exception):
    """Something the user asked for cannot be done; the message is one line and says what can be."""


class InvalidValue(UserError):
    """A flag has a value it cannot have.

    Args:
        field: the hyperparameter's name, without dashes.
        value: what was given.
        valid: what may be given, in words.
    """

    def __init__(self, field: str, value: object, valid: str) -> None:
        self.field = field
        self.value = value
        self.valid = valid
        super().__init__(f"--{field}={value}: {valid}")

    def prefixed(self, prefix: str) -> InvalidValue:
        """Return the same error for the flag as it is called inside a prefixed group."""
        return InvalidValue(f"{prefix}_{self.field}", self.value, self.valid) if prefix else self


class MissingFlag(UserError):
    """A flag that has no default was not given.

    Args:
        name: the flag's, without dashes.
        help: what it says.
        hint: what else would do.
    """

    def __init__(self, name: str, help: str, hint: str = "") -> None:
        self.name = name
        self.help = help
        super().__init__(f"--{name} is required: {help.rstrip('.')}{hint}")


class RankLost(UserError):
    """Another process of the run is gone; what has been saved stays, and the same command goes on from there."""


def remedy_for(path: Path) -> str:
    """Return what a user can do about a damaged file: the command that made it makes nearly any again."""
    if path.name in _OF_THE_TIME:
        return "delete it to go on without it; what it said of when and where cannot be had again"
    return "delete it to have it made again"


class UnreadableFile(UserError):
    """A file is missing or damaged, or holds what it should not.

    Args:
        reason: what is wrong with it.
        remedy: what the user can do; the usual if None.
        is_transient: whether the reason lies outside the file, which may be readable later.
    """

    def __init__(self, path: Path, reason: str, remedy: str | None = None, is_transient: bool = False) -> None:
        remedy = remedy_for(path) if remedy is None else remedy
        self.path = path
        self.reason = reason
        self.is_transient = is_transient
        super().__init__(f"{path}: {reason}; {remedy}" if remedy else f"{path}: {reason}")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, Python's, the processor's or an accelerator's."""
    # By name, because torch is slow to import.
    is_torchs = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or is_torchs


def is_machines_fault(error: Exception) -> bool:
    """Return whether memory ran out, or an accelerator failed, whatever was being done."""
    return is_out_of_memory(error) or type(error).__name__ == "AcceleratorError"


def one_of(values: Iterable[str], given: str = "") -> str:
    """Return the words for a closed list of valid values.

    Args:
        given: what was given instead.
    """
    values = list(values)
    found = nearest(given, values)
    return f"{f'did you mean {found}? ' if found else ''}valid values are {', '.join(values)}"
