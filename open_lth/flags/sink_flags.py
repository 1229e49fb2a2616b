"""The flags that choose where measures go besides the logger, and set it up."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import fields

from foundations.arguments import flag_name
from foundations.errors import UserError
from foundations.sink import SinkKind
from training import SINKS


def add_sink_flags(section: argparse._ArgumentGroup) -> None:
    """Add a flag for each kind of sink, and one for each of its settings."""
    for name, kind in SINKS.items():
        section.add_argument(f"--{name}", action="store_true", help=kind.description.replace("%", "%%"))
        for setting in fields(kind):
            text = str(setting.metadata["help"]).replace("%", "%%")
            section.add_argument(f"--{flag_name(setting.name, name)}", metavar="TEXT", help=text)


def read_sinks(args: argparse.Namespace) -> dict[str, SinkKind]:
    """Return the sinks that were asked for, by their flags.

    Raises:
        UserError: if the package that one needs is not installed, or one is set up that was not asked for.
    """
    return {name: _read(args, name, kind) for name, kind in SINKS.items() if _is_chosen(args, name, kind)}


def _is_chosen(args: argparse.Namespace, name: str, kind: type[SinkKind]) -> bool:
    if getattr(args, name):
        return True
    for flag in (flag_name(setting.name, name) for setting in fields(kind)):
        if getattr(args, flag) is not None:
            raise UserError(f"--{flag}={getattr(args, flag)}: has no effect without --{name}")
    return False


def _read(args: argparse.Namespace, name: str, kind: type[SinkKind]) -> SinkKind:
    if importlib.util.find_spec(kind.package) is None:
        raise UserError(f"--{name}: needs a package that is not installed: pip install {kind.package}")
    values = {setting.name: getattr(args, flag_name(setting.name, name)) for setting in fields(kind)}
    return kind(**{setting: value for setting, value in values.items() if value is not None})
