"""The help of every subcommand, in Markdown."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import cli
from open_lth.branch import BRANCHES
from open_lth.command import COMMANDS


def commands() -> str:
    """Return the help of every subcommand, and of every branch."""
    sections = []
    for name, command in COMMANDS.items():
        description = f"{command.description[0].upper()}{command.description[1:]}."
        sections.append(f"## {name}\n\n{description}\n\n{_help(name)}")
        if name == "lottery_branch":
            sections += [f"### {name} {branch}\n\n{_branch_help(branch)}" for branch, _ in BRANCHES.items()]
    return "\n".join(sections)


def _branch_help(branch: str) -> str:
    """Return the part of a branch's help that the other branches' do not have."""
    return _fenced(_section(_text("lottery_branch", branch), "Branch Hyperparameters:"))


def _help(*words: str) -> str:
    return _fenced(_text(*words))


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```\n"


def _text(*words: str) -> str:
    """Return the help of a command, for whoever reads it, whose home is not that of who builds the page."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main([*words, "--help"])
    return printed.getvalue().replace(str(Path.home()), "~")


def _section(text: str, title: str) -> str:
    """Return a section of help, with the sections of nested groups, up to the first that every command has."""
    return title + text.partition(f"\n{title}")[2].partition("\nPresets:")[0].rstrip()


GENERATED = {"commands": commands}
