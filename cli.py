"""The command line: subcommands, plugins, and the reporting of errors; the only reader of `sys.argv`."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import sys
import traceback
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from foundations.display import let_streams_last
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
from foundations.messages import LOGGER, messages_on_stderr
from foundations.suggestions import did_you_mean
from open_lth.command import command_line, program_name, read_flags
from open_lth.commands import COMMANDS
from open_lth.installation.console import FILE

if TYPE_CHECKING:
    import argparse

    from foundations.ranks import Ranks
    from open_lth.plugins import LoadedPlugin, Plugin

PLUGINS = "open_lth.plugins"
CRASH, USER_ERROR = 1, 2

_PROGRAM = (sys.executable, str(FILE))
"""What runs this program in another process."""


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
    if argv is not None:
        return _run_to_exit_code(argv, ends_here=False)
    let_streams_last()
    try:
        code = _run_to_exit_code(sys.argv[1:], ends_here=True)
    except Exception:
        if not _have_ranks_met():
            raise
        traceback.print_exc()
        code = CRASH
    if _have_ranks_met():
        # Python would end while threads of the connections still run, which aborts the process now and then.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def _have_ranks_met() -> bool:
    rendezvous = sys.modules.get("foundations.rendezvous")
    return rendezvous is not None and rendezvous.have_met()


def _run_to_exit_code(arguments: Sequence[str], ends_here: bool) -> int:
    """Run a subcommand, report what stops it, and return the exit code.

    Args:
        ends_here: whether the process ends with it.
    """
    keep_freed_memory()
    with messages_on_stderr():
        try:
            with stopping_at_once(ends_here):
                return dispatch(arguments)
        except Interrupted as stop:
            return _stopped(stop, arguments)
        except Exception as error:
            if (hidden := hidden_interruption(error)) is not None:
                return _stopped(hidden, arguments)
            return _reported(error, _voice())


def dispatch(arguments: Sequence[str]) -> int:
    """Run a subcommand and return the exit code, for callers that want its errors.

    Raises:
        UserError: if a user can fix what is wrong.
        Interrupted: if a signal stopped it; the same command goes on.
    """
    _check_words(arguments)
    if arguments and arguments[0] in ("--version", "-V"):
        print(_versions())
        return 0
    name = arguments[0] if arguments else ""
    if "WORLD_SIZE" in os.environ:  # torch's native code warns every rank of what is as it should be
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Plugins may bring commands. What comes along brings none: without others, a list need not wait for torch.
    if COMMANDS.get(name).needs_plugins if name in COMMANDS else importlib.metadata.entry_points(group=PLUGINS):
        with interruption_requests():  # an exception that arrives amid torch's import aborts the process
            load_plugins()
    if name not in COMMANDS:
        return _list_commands(arguments)
    if any(word.startswith("--replicate") for word in arguments) and COMMANDS.get(name).has_trainings:
        from open_lth.commands.replicates import jobs_at_a_time, replicates_of

        if numbers := replicates_of(arguments):
            return _dispatch_several(arguments, numbers, jobs_at_a_time(arguments))
    return _dispatch_one(arguments)


def _dispatch_several(arguments: Sequence[str], replicates: Sequence[int], at_a_time: int) -> int:
    from open_lth.commands.replicates import command_of, run_side_by_side

    if "WORLD_SIZE" in os.environ:
        raise UserError("--replicate: under torchrun a command has one replicate")
    if at_a_time > 1:
        run_side_by_side(arguments, replicates, at_a_time, _PROGRAM)
        return 0
    return max(_dispatch_one(command_of(arguments, number)) for number in replicates)


def _dispatch_one(arguments: Sequence[str]) -> int:
    args = read_flags(tuple(arguments), _PROGRAM, with_help=True, plugins=(*_loaded.values(),))
    name, *rest = args.command_line
    if args.display_output_location or args.dry_run:
        COMMANDS.get(name).execute(args, rest)
    elif args.platform != "local":
        from open_lth.cluster.submission import submit

        submit(args, rest)
    else:
        return _run(args, rest)
    return 0


def _reported(error: Exception, by: str) -> int:
    """Print what a user can fix in one line, and return the exit code; anything else is raised."""
    if is_out_of_memory(error):
        reason = str(error).partition("\n")[0] or "the machine has no more"
        error = UserError(f"out of memory ({reason}); try a smaller --batch_size or network")
    if not isinstance(error, (UserError, OSError)):  # the latter: a full disk, a directory that is read-only
        raise error
    sys.stderr.write(f"{by}: {error}\n")  # at once: torchrun's processes share it, unbuffered
    return START_AGAIN if isinstance(error, RankLost) else USER_ERROR


def _voice() -> str:
    """Return what an error's line begins with: all of torchrun's processes find the same mistakes in the flags."""
    rank = os.environ.get("RANK", "0")
    return f"rank {rank}" if "TORCHELASTIC_RUN_ID" in os.environ and rank != "0" else "error"


def _stopped(stop: Interrupted, arguments: Sequence[str]) -> int:
    again = command_line(arguments)
    print(f"{stop}\nto go on: {again}", file=sys.stderr)
    return stop.exit_code


def _check_words(arguments: Sequence[str]) -> None:
    """Refuse what argparse would misread, and what can be neither shown in one line nor written to a text file."""
    for word in arguments:
        if word.startswith("--") and word.endswith("=--"):
            raise UserError(f"{word!a}: -- is no value")
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in word):
            raise UserError(f"{word!a}: holds characters that are no text")


def _run(args: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run a command here, with other processes if some have been started for it."""
    if not hasattr(args, "ranks_timeout"):  # it does not train
        _execute(args, rest)
        return 0
    from foundations.rendezvous import join_ranks

    args.ranks = join_ranks(args.ranks_timeout)
    try:
        if not args.ranks.is_leader:
            return _follow(args.ranks)
        _execute(args, rest)
        return 0
    finally:
        args.ranks.shut_down()


def _execute(args: argparse.Namespace, rest: Sequence[str]) -> None:
    """Do a command's work; what ends the program amid it, such as a plugin's function, is no success."""
    try:
        COMMANDS.get(args.command_line[0]).execute(args, rest)
    except SystemExit as error:
        raise UserError(f"the program was ended by sys.exit({error.code!r}) before the work was done") from error


def _follow(ranks: Ranks) -> int:
    """Train along with the process that runs the command; it alone prints, and reads and writes results."""
    try:
        ranks.follow()
    except Interrupted as stop:
        ignore_stop_signals()
        return stop.exit_code
    except Exception as error:
        return _reported(error, by=f"rank {ranks.number}")
    return 0


def _versions() -> str:
    found = {name: importlib.metadata.version(name) for name in ("open-lth", "torch", "torch-blue")}
    own, *others = (f"{name} {version}" for name, version in found.items())
    return f"{own} ({', '.join(others)}, Python {platform.python_version()})"


def _list_commands(arguments: Sequence[str]) -> int:
    asked = bool(arguments) and arguments[0] in ("-h", "--help")
    if arguments and not asked:
        print(f"error: {arguments[0]} is no subcommand{did_you_mean(arguments[0], COMMANDS.names())}", file=sys.stderr)
    width = max(map(len, COMMANDS.names()))
    print(f"usage: {program_name()} SUBCOMMAND ...")
    print("\nSubcommands (each explains itself with --help; --version says which versions these are):")
    for name, command in COMMANDS.items():
        print(f"    {name:<{width}}  {command.description}")
    return 0 if asked else 1


def load_plugins() -> None:
    """Register the plugin that comes along and those that are installed; a broken one is reported, not fatal."""
    from open_lth.plugins import load  # with torch, which is slow to import

    for plugin in _plugins():
        key = (plugin.name, plugin.source)
        if key not in _loaded:
            _loaded[key] = loaded = load(plugin)
            if loaded.problem:
                LOGGER.warning("the plugin %s could not be loaded: %s", loaded.name, loaded.problem)


_loaded: dict[tuple[str, str], LoadedPlugin] = {}


def _plugins() -> Iterator[Plugin]:
    from open_lth.plugins import Plugin

    try:
        import bayesian
    except ModuleNotFoundError:  # the core works without it
        pass
    else:
        yield Plugin("bayesian", "open_lth, with which it comes", bayesian.register)
    for entry in importlib.metadata.entry_points(group=PLUGINS):
        source = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "?"
        yield Plugin(entry.name, source, functools.partial(_load_and_register, entry))


def _load_and_register(entry: importlib.metadata.EntryPoint) -> None:
    entry.load()()


if __name__ == "__main__":
    raise SystemExit(main())
