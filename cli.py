"""The command line: subcommands, plugins, and the reporting of errors; the only reader of `sys.argv`."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import shlex
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from foundations.arguments import Parser
from foundations.errors import RankLost, UserError, is_out_of_memory
from foundations.hardware import keep_freed_memory
from foundations.interruption import (
    START_AGAIN,
    Interrupted,
    hidden_interruption,
    ignore_stop_signals,
    interruption_requests,
    stopping_at_once,
)

if TYPE_CHECKING:
    from foundations.ranks import Ranks
    from open_lth.plugins import LoadedPlugin, Plugin

COMMANDS = {
    "train": "train one network",
    "lottery": "find lottery tickets: train, prune, rewind, level after level",
    "lottery_branch": "run an ablation from the levels of a lottery",
    "evaluate": "measure what a command has made: evaluate lottery ..., with repeated passes",
    "reproduce": "run the experiments of the paper's figures and tables, or print their commands",
    "plot": "draw figures and tables from finished runs",
    "report": "write one HTML page with all figures, tables, hyperparameters, versions and commands",
    "runs": "list what lies under the root, or show one experiment and the command that made it",
    "plugins": "list the plugins, and all that can be chosen by name with who registered it",
}
PLUGINS = "open_lth.plugins"
USER_ERROR = 2


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand and return the exit code.

    Args:
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        0 if all went well; 1 without a known subcommand; 2 if the same command would fail again: for a mistake in the
        arguments, files that cannot be read or written, training that diverged, too little memory, a run that another
        process works on;
        75 after SIGTERM or SIGUSR1, what batch systems send before they kill, or if another process of the run is gone:
        the same command goes on; 130 after Ctrl-C, likewise.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] not in COMMANDS:
        return _list_commands(arguments)
    keep_freed_memory()
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        try:
            with stopping_at_once():
                code = _obey(arguments)
            if argv is None:  # all is done: nothing shall change the process's exit code any more
                ignore_stop_signals()
            return code
        except Interrupted as stop:
            return _stopped(stop, arguments, ends_here=argv is None)
        except Exception as error:
            if (hidden := hidden_interruption(error)) is not None:
                return _stopped(hidden, arguments, ends_here=argv is None)
            return _reported(error)


def _obey(arguments: Sequence[str]) -> int:
    _check_words(arguments)
    if "WORLD_SIZE" in os.environ:  # torch's native code warns every rank of what is as it should be
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with interruption_requests():  # an exception that arrives amid torch's import aborts the process
        load_plugins()
        command = importlib.import_module(f"open_lth.commands.{arguments[0]}")
        from foundations.ranks import join_ranks

        ranks = join_ranks()
    if not ranks.is_leader:
        return _follow(ranks)
    return _run(command, arguments[0], arguments[1:], ranks)


def _reported(error: Exception, by: str = "error") -> int:
    """Print what a user can mend in one line, and return the exit code; anything else is raised."""
    if is_out_of_memory(error):
        reason = str(error).partition("\n")[0] or "the machine has no more"
        error = UserError(f"out of memory ({reason}); try a smaller --batch_size or network")
    if not isinstance(error, (UserError, OSError)):  # the latter: a full disk, a directory that is read-only
        raise error
    print(f"{by}: {error}", file=sys.stderr)
    return START_AGAIN if isinstance(error, RankLost) else USER_ERROR


def _stopped(stop: Interrupted, arguments: Sequence[str], ends_here: bool) -> int:
    if ends_here:  # nothing shall change the process's exit code any more
        ignore_stop_signals()
    again = shlex.join(["python", "open_lth.py", *arguments])
    print(f"{stop}\nto go on: {again}", file=sys.stderr)
    return stop.exit_code


def _check_words(arguments: Sequence[str]) -> None:
    """Refuse what argparse would misread, and what can be neither shown in one line nor written to a text file."""
    for word in arguments:
        if word.startswith("--") and word.endswith("=--"):
            raise UserError(f"{word!a}: -- is no value")
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in word):
            raise UserError(f"{word!a}: holds characters that are no text")


def _run(command: ModuleType, name: str, rest: Sequence[str], ranks: Ranks) -> int:
    parser = Parser(prog=f"open_lth.py {name}", description=COMMANDS[name], usage="%(prog)s [flags]")
    handed_down = {"ranks": ranks, "plugins": (*_loaded.values(),)}
    parser.set_defaults(command_line=(name, *rest), program=(sys.executable, __file__), **handed_down)
    parser.set_defaults(platform="local", display_output_location=False, dry_run=False)  # where there are no such flags
    try:
        command.add_flags(parser, rest)
        args = parser.parse_args(rest)
        stays_here = args.platform == "local" or args.display_output_location or args.dry_run
        (command if stays_here else importlib.import_module("open_lth.cluster.submission")).execute(args, rest)
    finally:
        ranks.dismiss()
    ranks.leave()
    return 0


def _follow(ranks: Ranks) -> int:
    """Train along with the process that runs the command; it alone prints, and reads and writes results."""
    from training import follow

    try:
        follow(ranks)
    except Interrupted as stop:
        ignore_stop_signals()
        return stop.exit_code
    except Exception as error:
        return _reported(error, by=f"rank {ranks.number}")
    ranks.leave()
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
    from open_lth.plugins import load  # with torch, which is slow to import

    for plugin in _plugins():
        key = (plugin.name, plugin.source)
        if key not in _loaded:
            _loaded[key] = loaded = load(plugin)
            if loaded.problem:
                print(f"warning: the plugin {loaded.name} could not be loaded: {loaded.problem}", file=sys.stderr)


_loaded: dict[tuple[str, str], LoadedPlugin] = {}


def _plugins() -> Iterator[Plugin]:
    from open_lth.plugins import Plugin

    if importlib.util.find_spec("bayesian") is not None:
        yield Plugin("bayesian", "open_lth, with which it comes", _register_bayesian)
    for entry in importlib.metadata.entry_points(group=PLUGINS):
        source = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "?"
        yield Plugin(entry.name, source, functools.partial(_load_and_register, entry))


def _register_bayesian() -> None:
    importlib.import_module("bayesian").register()


def _load_and_register(entry: importlib.metadata.EntryPoint) -> None:
    entry.load()()


if __name__ == "__main__":
    raise SystemExit(main())
