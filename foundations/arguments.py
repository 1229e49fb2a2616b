"""Hyperparameter groups as command-line flags."""

from __future__ import annotations

import argparse
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, NoReturn, TypeVar

from foundations.errors import InvalidValue, UserError
from foundations.hparams import Hparams, help_of

Group = TypeVar("Group", bound=Hparams)

# Slow to find out, and asked for every field.
_types: Callable[[Any], dict[str, Any]] = functools.lru_cache(maxsize=64)(typing.get_type_hints)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, and which never guesses at abbreviations."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": HelpFormatter, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print with its usage.

        Raises:
            UserError: always.
        """
        raise UserError(message)


class HelpFormatter(argparse.HelpFormatter):
    """Help that fits a terminal and tells required flags from defaults."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)


def flag_name(name: str, prefix: str = "") -> str:
    """Return the flag's name, without dashes, of a field inside a group with a prefix."""
    return f"{prefix}_{name}" if prefix else name


def plain_type(group: type[Hparams], f: Field[Any]) -> type:
    """Return a field's type, with `| None` taken off."""
    annotation = _types(group)[f.name]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(arg for arg in typing.get_args(annotation) if arg is not type(None))
    if not isinstance(annotation, type):
        raise TypeError(f"{group.__name__}.{f.name}: a hyperparameter's type must be plain, not {annotation}")
    return annotation


def add_group(
    parser: argparse.ArgumentParser,
    group: type[Hparams],
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """Add one flag for each hyperparameter of a group, with its effective default in the help.

    Args:
        prefix: put before every flag's name, as in `--retrain_t_lr`.
        defaults: preset values by field name (without prefix); they win over the group's own.
    """
    section = parser.add_argument_group(title or group.title, group.about)
    for f in fields(group):
        if not f.metadata.get("flag", True):
            continue
        kind = plain_type(group, f)
        if issubclass(kind, Hparams):
            add_group(parser, kind, flag_name(f.name, prefix), defaults, f"{title or group.title}: {kind.title}")
            continue
        _add_flag(section, f, kind, flag_name(f.name, prefix), (defaults or {}).get(f.name, f.default))


def _add_flag(section: argparse._ArgumentGroup, f: Field[Any], kind: type, name: str, default: Any) -> None:
    text = help_of(f).replace("%", "%%")
    if kind is bool:
        section.add_argument(f"--{name}", action="store_true", default=bool(default), help=text)
        return
    required = f.default is MISSING and default in (MISSING, None)
    if required:
        text += " (required)"
    elif default is not None:
        text += f" (default: {default})".replace("%", "%%")
    section.add_argument(
        f"--{name}", type=_reader(name, kind), required=False, default=None if required else default,
        help=text, metavar=kind.__name__.upper(),
    )  # fmt: skip


def _reader(name: str, kind: type) -> Any:
    words = {int: "a whole number", float: "a number", str: "text"}[kind]

    def read(text: str) -> Any:
        try:
            value = kind(text)
            if kind is float and not math.isfinite(value):
                raise ValueError
            return value
        except ValueError:
            raise InvalidValue(name, text, f"must be {words}") from None

    return read


def read_group(args: argparse.Namespace, group: type[Group], prefix: str = "") -> Group:
    """Build a group from parsed flags.

    Raises:
        UserError: if a required flag is missing or a value is invalid; the message names the flag.
    """
    values: dict[str, Any] = {}
    for f in fields(group):
        if not f.metadata.get("flag", True):
            continue
        kind = plain_type(group, f)
        name = flag_name(f.name, prefix)
        values[f.name] = read_group(args, kind, name) if issubclass(kind, Hparams) else getattr(args, name)
        if values[f.name] is None and f.default is MISSING:
            # A preset that is there did not help.
            hint = "" if getattr(args, "default_hparams", None) else " (--default_hparams fills it in)"
            raise UserError(f"--{name} is required: {help_of(f).rstrip('.')}{hint}")
    try:
        return group(**values)
    except InvalidValue as error:
        raise error.prefixed(prefix) from None
