"""The command line: subcommands, plugins, and the reporting of errors; the only reader of `sys.argv`."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence

from foundations.allocator import keep_freed_memory
from foundations.arguments import Parser
from foundations.errors import UserError

COMMANDS = {
    "train": "train one network",
    "lottery": "find lottery tickets: train, prune, rewind, level after level",
    "lottery_branch": "run an ablation from the levels of a lottery",
    "evaluate": "measure what a command has made: evaluate lottery ..., with repeated passes",
    "runs": "list what lies under the root, or show one experiment and the command that made it",
}
PLUGINS = "open_lth.plugins"
USER_ERROR, INTERRUPTED = 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand and return the exit code.

    Args:
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        0 if all went well, 1 without a known subcommand, 2 for a mistake in the arguments or files that cannot be read
        or written, 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] not in COMMANDS:
        return _list_commands(arguments)
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        try:
            load_plugins()
            return _run(arguments[0], arguments[1:])
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return USER_ERROR
        except OSError as error:  # a full disk, a directory that cannot be written
            print(f"error: {error}", file=sys.stderr)
            return USER_ERROR
        except KeyboardInterrupt as interrupt:
            command = shlex.join(["python", "open_lth.py", *arguments])
            print(f"{interrupt or 'stopped'}\nto go on: {command}", file=sys.stderr)
            return INTERRUPTED


def _run(name: str, rest: Sequence[str]) -> int:
    command = importlib.import_module(f"open_lth.commands.{name}")
    parser = Parser(prog=f"open_lth.py {name}", description=COMMANDS[name], usage="%(prog)s [flags]")
    parser.set_defaults(command_line=(name, *rest))
    command.add_flags(parser, rest)
    command.execute(parser.parse_args(rest), rest)
    return 0


def _list_commands(arguments: Sequence[str]) -> int:
    asked = bool(arguments) and arguments[0] in ("-h", "--help")
    if arguments and not asked:
        print(f"error: {arguments[0]} is no subcommand", file=sys.stderr)
    width = max(map(len, COMMANDS))
    print("usage: open_lth.py SUBCOMMAND ...\n\nSubcommands (each explains itself with --help):")
    for name, description in COMMANDS.items():
        print(f"    {name:<{width}}  {description}")
    return 0 if asked else 1


def load_plugins() -> None:
    """Register the plugin that comes along and those that are installed; a broken one is reported, not fatal."""
    for name, register in _plugins().items():
        if name not in _loaded:
            _loaded.add(name)
            try:
                register()
            except Exception as error:
                print(f"warning: the plugin {name} could not be loaded: {error}", file=sys.stderr)


_loaded: set[str] = set()


def _plugins() -> dict[str, Callable[[], object]]:
    plugins: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("bayesian") is not None:
        plugins["bayesian"] = lambda: importlib.import_module("bayesian").register()
    for entry in importlib.metadata.entry_points(group=PLUGINS):
        plugins[entry.name] = functools.partial(_load_and_register, entry)
    return plugins


def _load_and_register(entry: importlib.metadata.EntryPoint) -> None:
    entry.load()()
