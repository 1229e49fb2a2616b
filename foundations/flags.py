"""Fields of dataclasses that are flags: how they are declared, and how their values are read."""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from foundations.errors import InvalidValue, one_of


@dataclass(frozen=True)
class Read:
    """How values of a type are read, as its annotation: `Annotated[int, whole_number(1)]`.

    Args:
        make: from what is given, a text, a number or a list, to the value; raises a ValueError that says what is valid.
    """

    make: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let pydantic, which reads files, read values in the same way."""
        from pydantic_core import core_schema  # slow to import, and most commands read no such file

        return core_schema.no_info_plain_validator_function(self.make)


def checked(kind: type, words: str, is_valid: Callable[[Any], bool] = lambda value: True) -> Read:
    """Return what takes values of a plain type as they are, if they are valid; numbers must be finite.

    Args:
        words: what a value must be.
    """

    def make(value: Any) -> Any:
        is_finite = not isinstance(value, float) or math.isfinite(value)
        if type(value) is not kind or not is_finite or not is_valid(value):
            raise ValueError(f"must be {words}")
        return value

    return Read(make)


def whole_number(least: int, most: int = 10**9) -> Read:
    """Return what takes whole numbers of a range."""
    words = f"a whole number of at least {least}{f' and at most {most}' if most < 10**9 else ''}"
    return checked(int, words, range(least, most + 1).__contains__)


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path, not nothing")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("there is no such home directory") from None


Count = Annotated[int, whole_number(1)]
UserPath = Annotated[Path, Read(_path)]
"""A path that a user means; `~` is a home directory."""

_PLAIN = {int: checked(int, "a whole number"), float: checked(float, "a number"), str: checked(str, "text")}

Choices = Sequence[str] | Callable[[], Sequence[str]]


def flag(
    help: str, default: Any = MISSING, choices: Choices = (), metavar: str = "", hidden: bool = False, **more: Any
) -> Any:
    """Declare a field that is a flag.

    Its type says how it is read: `bool` takes no value, `X | None` may be left out, `tuple[X, ...]` may be repeated,
    `Annotated[X, Read(...)]` is read by a function, and a dataclass of flags has its own under the field's name.

    Args:
        help: what it does, for `--help`, which adds the choices and the default.
        choices: the valid values; a function of no arguments if that depends on what plugins register.
        metavar: what stands for the value in the help; if empty, its type, or NAME for one of its choices.
        hidden: whether it cannot be set on the command line.
        more: further metadata of the field.
    """
    metadata = {"help": help, "choices": choices, "metavar": metavar, "hidden": hidden, **more}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Flag:
    """A field that is a flag.

    Args:
        name: on the command line, without dashes.
        kind: what its values are; a dataclass if it stands for the flags of one.
        read: how they are read; None where there is nothing to read.
        is_repeated: whether there may be several.
    """

    field: Field[Any]
    name: str
    kind: type[Any]
    read: Read | None
    is_repeated: bool = False

    @property
    def is_group(self) -> bool:
        """Whether it stands for the flags of a dataclass."""
        return is_dataclass(self.kind)

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.field.default is MISSING

    @property
    def choices(self) -> Sequence[str]:
        """The valid values; empty if they cannot be listed."""
        choices: Choices = self.field.metadata.get("choices", ())
        return choices() if callable(choices) else choices

    @property
    def metavar(self) -> str:
        """What stands for its value in the help."""
        return self.field.metadata.get("metavar") or ("NAME" if self.choices else self.kind.__name__.upper())

    @property
    def help(self) -> str:
        """What it does, and its choices."""
        return f"{self.field.metadata['help']}{': ' if self.choices else ''}{', '.join(self.choices)}"

    def value_of(self, text: str) -> Any:
        """Return the value that a word of the command line stands for.

        Raises:
            InvalidValue: if it stands for none.
        """
        if self.choices and text not in self.choices:
            raise InvalidValue(self.name, text, one_of(self.choices, text))
        try:
            return self.read.make(_number(text, self.kind)) if self.read else text
        except ValueError as error:
            raise InvalidValue(self.name, text, str(error)) from None


def _number(text: str, kind: type) -> Any:
    """Return the number that a text stands for where one is wanted, or else the text."""
    try:
        return kind(text) if kind in (int, float) and text.isascii() else text
    except ValueError:
        return text


# Slow to find out, and asked for every group several times.
_types: Callable[[Any], dict[str, Any]] = functools.lru_cache(maxsize=64)(
    functools.partial(typing.get_type_hints, include_extras=True)
)


def flags_of(group: type, prefix: str = "") -> list[Flag]:
    """Return the flags of a dataclass, in the order of its fields.

    Args:
        prefix: put before their names, as in `--retrain_t_lr`.

    Raises:
        TypeError: if one has a type that is neither plain nor says how it is read.
    """
    declared = (f for f in fields(group) if "help" in f.metadata and not f.metadata.get("hidden"))
    return [
        Flag(f, f"{prefix}_{f.name}" if prefix else f.name, *_kind(group, f, _types(group)[f.name])) for f in declared
    ]


def _kind(group: type, f: Field[Any], annotation: Any) -> tuple[type, Read | None, bool]:
    """Return what values of a type are, how they are read, and whether there may be several."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _kind(group, f, next(argument for argument in arguments if argument is not type(None)))
    if origin is Annotated:
        plain = typing.get_origin(arguments[0]) or arguments[0]
        return plain, next(argument for argument in arguments if isinstance(argument, Read)), False
    if origin is tuple:
        return (*_kind(group, f, arguments[0])[:2], True)
    if annotation not in (bool, *_PLAIN) and not is_dataclass(annotation):
        raise TypeError(f"{group.__name__}.{f.name}: a flag's type must be plain or say how it is read: {annotation}")
    return annotation, _PLAIN.get(annotation), False
