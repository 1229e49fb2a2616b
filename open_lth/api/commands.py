"""The commands from Python: flags are keyword arguments, and what was made comes back as handles."""

from __future__ import annotations

from foundations.interruption import Interrupted
from open_lth.api.handles import Run, Runs
from open_lth.command import read_command
from open_lth.commands.replicates import command_of, replicates_of
from open_lth.installation.console import command_line_module

Value = str | int | float | bool | None
"""A flag's value: True gives a bare flag, None and False leave it out. `quiet=False` shows what the command prints."""


def load_plugins() -> None:
    """Register the plugin that comes along and those that are installed; the functions here do so by themselves."""
    command_line_module().load_plugins()


def train(**flags: Value) -> Runs:
    """Train one network, as `open_lth.py train` does, unless that is done already.

    Args:
        flags: those of the command, e.g. `default_hparams="cifar_resnet_20"`, `training_steps="10ep"`, `root="runs"`.

    Raises:
        UserError: if a flag is missing or invalid, or the run fails in a way that its message explains.
        KeyboardInterrupt: if it was stopped; the same call goes on.
    """
    return _run("train", flags)


def lottery(**flags: Value) -> Runs:
    """Find the tickets of a lottery, as `open_lth.py lottery` does: levels 0 to `levels`; what is there is kept.

    Args:
        flags: those of the command, e.g. `default_hparams="mnist_lenet_300_100"`, `levels=3`.

    Raises:
        UserError: if a flag is missing or invalid, or a run fails in a way that its message explains.
        KeyboardInterrupt: if it was stopped; the same call goes on.
    """
    return _run("lottery", flags)


def branch(name: str, of: Runs, *, levels: int | str | None = None, **flags: Value) -> Runs:
    """Run a branch off a lottery's levels, as `open_lth.py lottery_branch` does.

    Args:
        name: the branch, e.g. `shuffle`.
        of: the lottery.
        levels: from which levels, e.g. 3 or "1-3"; all that it has above level 0 if None.
        flags: those of the branch.

    Raises:
        UserError: if a flag is missing or invalid, or a level is not there.
        KeyboardInterrupt: if it was stopped; the same call goes on.
    """
    _, *trunk = of.command
    known = [run.level for run in of if isinstance(run.level, int) and run.level > 0]
    levels = ",".join(map(str, known)) if levels is None else levels
    kept = [word for word in trunk if not word.startswith("--levels=")]
    return _run("lottery_branch", {**flags, "levels": levels}, name, *kept)


def evaluate(runs: Runs, **flags: Value) -> Runs:
    """Measure networks again, as `open_lth.py evaluate` does, into `evaluation.json`, and return the same runs.

    Their `table()` has the results.

    Args:
        flags: those of the command, e.g. `passes=10`, `shift="all"`, `ood="inverted"`.

    Raises:
        UserError: if a flag is invalid, or a run is not finished.
    """
    _run("evaluate", flags, *runs.command)
    return runs


def open_runs(command: str, *words: str, **flags: Value) -> Runs:
    """Return handles on what a command would make, whether it is there or not; nothing is run.

    Args:
        command: its name, such as `lottery`.
        words: further words, such as the name of a branch.
    """
    load_plugins()
    whole = (command, *words, *_words(flags))
    return _runs_of(whole)


def _run(command: str, flags: dict[str, Value], *words: str) -> Runs:
    load_plugins()
    whole = (command, *words, *_words(flags))
    says = flags.get("quiet") is False
    try:
        command_line_module().dispatch(whole if says else (*whole, "--quiet"))
    except Interrupted as stop:
        raise KeyboardInterrupt(str(stop)) from stop
    return _runs_of(whole)


def _runs_of(words: tuple[str, ...]) -> Runs:
    commands = [command_of(words, number) for number in replicates_of(words)] or [words]
    trainings = [training for command in commands for training in read_command(command)[0]]
    return Runs([Run(training) for training in trainings], words)


def _words(flags: dict[str, Value]) -> list[str]:
    given = {name: value for name, value in flags.items() if value is not None and value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
