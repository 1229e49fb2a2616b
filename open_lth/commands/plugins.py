"""The subcommand `plugins`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator, Sequence

from foundations.registry import Registry
from open_lth.commands.table import table
from open_lth.plugins.loading import LoadedPlugin
from open_lth.plugins.registries import REGISTRIES

_CORE = "open_lth"


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags: there are none."""
    parser.usage = "%(prog)s"
    parser.epilog = (
        "First come the plugins with the package that each is from, and whether it was loaded; then, for everything "
        "that can be chosen by name, the names and who registered them (a name's aliases follow it after a slash). "
        "A package is a plugin if it names a function without arguments, which registers what it brings, under the "
        "entry-point group open_lth.plugins, e.g. in its pyproject.toml. One that cannot be loaded is reported at "
        "every start and does no other harm. docs/extending.md has an example of each thing that can be registered, "
        "examples/mc_dropout a whole plugin."
    )


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """List the plugins, and the entries of every registry with who registered them."""
    loaded: Sequence[LoadedPlugin] = args.plugins
    states = ((one.name, one.source, f"broken: {one.problem}" if one.problem else "loaded") for one in loaded)
    print(table([("plugin", "from", "state"), *states]))
    print()
    owners = ["", *(one.name for one in loaded)]
    entries = (row for what, registry in REGISTRIES.items() for row in _rows(what, registry, owners))
    print(table([("what", "registered by", "names"), *entries]))


def _rows(what: str, registry: Registry[object], owners: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for owner in owners:
        names = [name for name, _ in registry.items() if registry.owner_of(name) == owner]
        text = ", ".join("/".join(registry.names_of(name)) for name in names)
        for index, line in enumerate(textwrap.wrap(text, 76, break_long_words=False, break_on_hyphens=False)):
            yield (what, owner or _CORE, line) if index == 0 else ("", "", line)
