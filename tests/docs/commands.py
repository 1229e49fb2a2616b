"""How a command of a page is tested: the rule, and both ways.

Every command is at least read by its own parser, and nothing on a page may be a program that is not named here.
What trains or measures fully connected networks on digits is run for real, cut down to two iterations and one level.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cli
from foundations.errors import UserError
from open_lth.command import COMMANDS, read_command, read_flags
from open_lth.flags.levels import read_levels
from open_lth.suites.scale_flags import chosen_scale
from tests.docs.blocks import PROJECT
from training import TrainingRun

TRAINING = ("train", "lottery", "lottery_branch", "evaluate")
FAMILY, DATA = "mnist_lenet", "digits"
"""What is trained here: fully connected networks, in milliseconds a step, on data that need no download."""

HARMLESS = ("--help", "-h", "--display_output_location", "--dry_run")
"""With one of these a command is run as it stands."""

OUTSIDE = (
    "pip",
    "pip3",
    "apt-get",
    "sudo",
    "git",
    "conda",
    "uv",
    "module",
    "ssh",
    "rsync",
    "nvidia-smi",
    "find",
    "tensorboard",
    "wandb",
    "torchrun",
    "mpirun",
    "sbatch",
    "srun",
    "squeue",
    "scancel",
    "scontrol",
    "sacct",
    "sinfo",
)
"""Programs of others: only what they are to run of this project is tested."""


class Untested(Exception):
    """A command that no rule here covers, or that is wrong."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command: how it was tested, its exit code, and what it printed."""

    how: str
    code: int = 0
    out: str = ""
    err: str = ""


def tested(words: Sequence[str], mode: str | None, directory: Path) -> Outcome:
    """Test a command.

    Args:
        mode: what the page asks for, or None.
        directory: the directory in which the page would run it.

    Raises:
        Untested: if it is wrong, or there is no rule for it.
    """
    ours = own_words(words)
    if ours is not None:
        launched = Path(words[0]).name not in ("python", "python3", "open-lth")
        return own_command(ours, "parse" if launched and mode is None else mode)
    program, *rest = words
    if program in ("python", "python3"):
        return _test_python(rest, directory)
    if program in OUTSIDE:
        _check_scripts(rest, directory)
        return Outcome("parse")
    if (PROJECT / program).is_file():
        return _test_script(program)
    raise Untested(f"{shlex.join(words)}: no rule of tests/docs/commands.py says how to test this program")


def own_words(words: Sequence[str]) -> list[str] | None:
    """Return the words of a command of this project, whoever launches it, after the program's name."""
    for index, word in enumerate(words):
        if Path(word).name in ("open_lth.py", "open-lth"):
            return list(words[index + 1 :])
        if word.startswith("--wrap"):  # sbatch
            return own_words(shlex.split(word.partition("=")[2] or words[index + 1]))
    return None


def own_command(words: Sequence[str], mode: str | None) -> Outcome:
    """Run or parse a command of this project, as its cost or the page says."""
    if not words or any(word in HARMLESS for word in words) or (words[0] == "runs" and mode != "parse"):
        return _run(words)
    if words[0] not in COMMANDS:
        raise Untested(f"{shlex.join(words)}: no such subcommand")
    try:
        trainings = _parse(words)
    except (UserError, SystemExit) as error:
        raise Untested(f"{shlex.join(words)}: {error}") from error
    is_elsewhere = any(word.startswith("--platform=") and word != "--platform=local" for word in words)
    if trainings and (mode == "run" or (mode is None and not is_elsewhere and is_cheap(trainings))):
        return _run(tiny(words))
    return Outcome("parse")


def is_cheap(trainings: Sequence[TrainingRun]) -> bool:
    """Return whether trainings are worth running in a test, cut down."""
    return all(
        run.model_hparams.model_name.startswith(FAMILY) and run.dataset_hparams.dataset_name == DATA
        for run in trainings
    )


def _parse(words: Sequence[str]) -> list[TrainingRun]:
    """Read a command as it reads itself, and return the trainings that it stands for."""
    name = words[0]
    if name in TRAINING:
        return read_command(tuple(words))[0]
    if name == "reproduce":
        outcome = _run([*words, "--dry_run"])
        if outcome.code:
            raise UserError(outcome.err)
        return []
    args = read_flags(tuple(words))
    if "scale" in args and not getattr(args, "runs", None):
        chosen_scale(args)
    return []


_CUT = ("--levels", "--jobs", "--passes", "--training_steps", "--rewinding_steps", "--pretrain_training_steps")


def tiny(words: Sequence[str]) -> list[str]:
    """Return a command cut down: two iterations, levels 0 and 1, one process."""
    kept, skip = [], False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if skip:
            skip = False
            continue
        flag, equals, value = word.partition("=")
        if flag in _CUT:
            skip = not equals
            word = f"{flag}={_tiny_value(flag, value or following, 'lottery_branch' in words)}"
        kept.append(word)
    return [*kept, "--training_steps=2it", "--quiet"]


def _tiny_value(flag: str, value: str, is_branch: bool) -> str:
    if flag == "--jobs":
        return "1"
    if flag == "--passes":
        return str(min(int(value), 2))
    if flag == "--levels" and is_branch:
        return ",".join(str(level) for level in read_levels(value) if level <= 1)
    if flag == "--levels":
        return str(min(int(value), 1))
    return "1it"


def _run(words: Sequence[str]) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(list(words))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Outcome("run", code, out.getvalue(), err.getvalue())


def _test_python(words: Sequence[str], directory: Path) -> Outcome:
    if words[:1] == ["-c"]:
        return _compiled(words[1])
    if words[:1] == ["-m"]:
        if importlib.util.find_spec(words[1]) is None:
            raise Untested(f"python {shlex.join(words)}: no module {words[1]}")
        return Outcome("parse")
    if words and (PROJECT / words[0]).is_file() and words[0].endswith(".py"):
        text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / words[0]).parent.glob("*.py"))
        for flag in filter(re.compile("--").match, words[1:]):
            if f'"{flag.partition("=")[0]}"' not in text:
                raise Untested(f"python {shlex.join(words)}: {words[0]} has no {flag}")
        return Outcome("parse")
    if words and (directory / words[0]).is_file():  # a script that the page has the reader write
        return _compiled((directory / words[0]).read_text(encoding="utf-8"))
    raise Untested(f"python {shlex.join(words)}: not in the project, and not written by the page")


def _compiled(code: str) -> Outcome:
    try:
        compile(code, "<page>", "exec")
    except SyntaxError as error:
        raise Untested(f"{code}: {error}") from error
    return Outcome("parse")


def _test_script(name: str) -> Outcome:
    subprocess.run(["bash", "-n", PROJECT / name], check=True)
    return Outcome("parse")


def _check_scripts(words: Sequence[str], directory: Path) -> None:
    for word in words:
        if word.endswith((".sh", ".sbatch")) and not any((place / word).is_file() for place in (PROJECT, directory)):
            raise Untested(f"{word}: not in the project, and not written by the page")
