"""Mistakes of the user, which end in one line instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterable


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


def one_of(values: Iterable[str]) -> str:
    """Return the words for a closed list of valid values."""
    return "valid values are " + ", ".join(values)
