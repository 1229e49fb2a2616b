"""Dataclasses of flags on the command line: hyperparameter groups, a run's context, settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from typing import Any, NoReturn, TypeVar

from foundations.errors import InvalidValue, MissingFlag, UserError
from foundations.extension import extended
from foundations.flags import Flag, flags_of
from foundations.suggestions import about_flag

Group = TypeVar("Group")


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, and which reads no abbreviations but spells them out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": HelpFormatter, **kwargs})

    def spelled_out(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return words with every flag whole of which only the beginning was given, if only one begins so.

        Raises:
            UserError: if several do.
        """
        end = words.index("--") if "--" in words else len(words)
        return (*map(self._spelled_out, words[:end]), *words[end:])

    def _spelled_out(self, word: str) -> str:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name in self._option_string_actions:
            return word
        begun = [flag for flag in self._option_string_actions if flag.startswith(name)]
        if len(begun) > 1:
            raise UserError(f"{name}: is the beginning of {', '.join(sorted(begun))}")
        return f"{begun[0]}{equals}{value}" if begun else word

    # argparse's own type is overloaded.
    def parse_args(self, words: Sequence[str]) -> argparse.Namespace:  # type: ignore[override]
        """Read all words.

        Raises:
            UserError: if one is unknown or invalid; with what may have been meant.
        """
        args, unknown = self.parse_known_args(words)
        if unknown and unknown[0].startswith("-"):
            flags = {flag.lstrip("-"): action for flag, action in self._option_string_actions.items()}
            raise UserError(about_flag(unknown[0], flags, [flag for flag in flags if flags[flag].nargs == 0]))
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return args

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


def add_group(
    parser: argparse.ArgumentParser,
    group: type[Any],
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """Add the flags of a dataclass in a section of their own, as its `title` and `about` say.

    Args:
        prefix: put before every flag's name, as in `--retrain_t_lr`.
        defaults: preset values by field name (without prefix); they win over the group's own.
    """
    group = extended(group)
    title = title or group.title
    add_flags_of(parser.add_argument_group(title, group.about), group, prefix, defaults)
    for one in flags_of(group, prefix):
        if one.is_group:
            add_group(parser, one.kind, one.name, defaults, f"{title}: {one.kind.title}")


def add_flags_of(
    section: argparse._ActionsContainer,
    group: type,
    prefix: str = "",
    defaults: Mapping[str, Any] | None = None,
    only: Callable[[str], bool] = lambda field: True,
) -> None:
    """Add the flags of a dataclass, with their effective defaults in the help.

    Args:
        defaults: preset values by field name; they win over the group's own.
        only: chooses them by field name.
    """
    for one in flags_of(group, prefix):
        if only(one.field.name) and not one.is_group:
            _add_flag(section, one, (defaults or {}).get(one.field.name, one.field.default))


def _add_flag(section: argparse._ActionsContainer, one: Flag, default: Any) -> None:
    text = one.help.replace("%", "%%")
    if one.kind is bool:
        section.add_argument(f"--{one.name}", action="store_true", default=bool(default), help=text)
        return
    is_required = one.is_required and default in (MISSING, None)
    if is_required:
        text += " (required)"
    elif default not in (None, "", ()):
        text += f" (default: {default})".replace("%", "%%")
    section.add_argument(
        f"--{one.name}",
        action="append" if one.is_repeated else "store",
        type=one.value_of,
        default=None if is_required or one.is_repeated else default,
        help=text,
        metavar=one.metavar,
    )


def read_group(args: argparse.Namespace, group: type[Group], prefix: str = "") -> Group:
    """Build a dataclass from its parsed flags.

    Raises:
        UserError: if a required flag is missing or a value is invalid; the message names the flag.
    """
    whole: type[Group] = extended(group)
    values: dict[str, Any] = {}
    for one in flags_of(whole, prefix):
        value = read_group(args, one.kind, one.name) if one.is_group else _value(args, one)
        if value is None and one.is_required:
            # A preset that is there did not help.
            hint = "" if getattr(args, "default_hparams", None) else " (--default_hparams fills it in)"
            raise MissingFlag(one.name, one.help, hint)
        values[one.field.name] = value
    try:
        return whole(**values)
    except InvalidValue as error:
        raise error.prefixed(prefix) from None


def given(args: argparse.Namespace, group: type, prefix: str = "") -> dict[str, Any]:
    """Return the values of a dataclass's flags that are not their defaults, by field."""
    values = {one.field.name: (_value(args, one), one.field.default) for one in flags_of(group, prefix)}
    return {name: value for name, (value, default) in values.items() if value not in (None, default)}


def _value(args: argparse.Namespace, one: Flag) -> Any:
    value: Any = getattr(args, one.name, one.field.default)
    return tuple(value or ()) if one.is_repeated else value
