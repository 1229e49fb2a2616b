"""The flags that say whether a command runs here or is submitted to Slurm, and what its jobs ask for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from foundations.arguments import add_group, given
from foundations.errors import InvalidValue, UserError
from foundations.flags import Count, Read, UserPath, checked, flag
from foundations.settings import STRICT, checked_settings, read_object

LOCAL, SLURM = "local", "slurm"
PREFIX = "slurm"

_TIME = re.compile(r"(?:(?P<d>\d{1,4})-)?(?P<a>\d{1,6})(?::(?P<b>\d{1,6}))?(?::(?P<c>\d{1,6}))?", re.ASCII)
_SIZE = re.compile(r"\d{1,9}([KMGT]B?)?", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[a-z][a-z-]*", re.ASCII)
_OWN_FLAGS = {
    "partition": "partition",
    "time": "time",
    "gpus": "gpus",
    "gpus-per-node": "gpus",
    "cpus-per-task": "cpus",
    "mem": "mem",
    "account": "account",
    "signal": "signal_delay",
}
_SET_BY_US = "array dependency error kill-on-invalid-dep output open-mode parsable requeue no-requeue wait wrap"
_NOT_FOR_USERS = (*_SET_BY_US.split(), "nodes", "ntasks", "ntasks-per-node", "test-only")


def _minutes(value: object) -> int:
    """Return a time as sbatch takes it in minutes, rounded up, as sbatch does."""
    match = _TIME.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise ValueError("must be a time as sbatch takes it, e.g. 30, 04:00:00 or 1-12")
    days, *rest = (int(match[part] or 0) for part in "dabc")
    begins_with_hours = match["d"] is not None or match["c"] is not None
    hours, minutes, seconds = rest if begins_with_hours else (0, *rest[:2])
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total <= 0:
        raise ValueError("must be longer than nothing")
    return -(-total // 60)


def _option(value: object) -> tuple[str, str | None]:
    """Return a further option of sbatch; None stands for one without a value."""
    text: str = _TEXT.make(value)
    key, has_value, rest = text.removeprefix("--").partition("=")
    key = key.replace("_", "-")
    if not _KEY.fullmatch(key) or (has_value and not rest):
        raise ValueError("must look like KEY or KEY=VALUE, e.g. constraint=a100")
    if own := _abbreviated(key, _OWN_FLAGS):
        raise ValueError(f"--{PREFIX}_{_OWN_FLAGS[own]} is there for this")
    if _abbreviated(key, _NOT_FOR_USERS):
        raise ValueError("is decided by the project")
    return key, rest if has_value else None


def _abbreviated(key: str, options: Iterable[str]) -> str | None:
    """Return which of some options sbatch may take a key for: it takes beginnings, too."""
    return next((option for option in options if option.startswith(key)), None)


_TEXT = checked(str, "text", lambda text: bool(text) and text.isprintable() and text == text.strip())
_Text = Annotated[str, _TEXT]
_Size = Annotated[str, checked(str, "a size as sbatch takes it, e.g. 16GB or 900M", _SIZE.fullmatch)]


@dataclass(frozen=True)
class SlurmSettings:
    """What each job asks for; None leaves it to the cluster or, where there is one, the default."""

    title: ClassVar[str] = "Slurm (with --platform=slurm)"
    about: ClassVar[str] = "What each job asks for."
    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    partition: _Text | None = flag("partition (default: the cluster's)", None, metavar="NAME")
    time: Annotated[int, Read(_minutes)] | None = flag(
        "time limit as sbatch takes it, e.g. 30 (minutes), 04:00:00 or 1-12; a job that reaches it is requeued and "
        "goes on (default: 04:00:00)",
        None,
        metavar="TIME",
    )
    gpus: Count | None = flag("GPUs, all of one node, each with a process of its own (default: the cluster's)", None)
    cpus: Count | None = flag("CPUs (default: the cluster's)", None)
    mem: _Size | None = flag("memory as sbatch takes it, e.g. 16GB (default: the cluster's)", None, metavar="SIZE")
    account: _Text | None = flag("whom to charge (default: the cluster's)", None, metavar="NAME")
    extra: tuple[Annotated[tuple[str, str | None], Read(_option)], ...] = flag(
        "a further option of sbatch, e.g. constraint=a100; may be repeated", (), metavar="KEY[=VALUE]"
    )
    signal_delay: Count | None = flag(
        "seconds before its limit at which a job is told to save (default: 120, or a quarter of a shorter limit)", None
    )
    parallel: Count | None = flag("elements of an array that run at a time (default: all that the cluster lets)", None)

    @property
    def minutes(self) -> int:
        """The time limit."""
        return 240 if self.time is None else self.time

    @property
    def signal_seconds(self) -> int:
        """How long before the limit a job is told to make way."""
        return min(120, self.minutes * 15) if self.signal_delay is None else self.signal_delay


@dataclass(frozen=True)
class SlurmFlags(SlurmSettings):
    """The settings, and a file that has others of them."""

    file: UserPath | None = flag(
        f"a JSON file with these settings, named as the flags without {PREFIX}_; flags win", None, metavar="FILE"
    )


def add_slurm_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `--platform=slurm`."""
    add_group(parser, SlurmFlags, PREFIX)


def read_settings(args: argparse.Namespace) -> SlurmSettings:
    """Return what flags and their file say; flags win.

    Raises:
        UserError: if the file cannot be read, or a setting is unknown or invalid.
    """
    flags, name = given(args, SlurmFlags, PREFIX), f"{PREFIX}_file"
    path = flags.pop("file", None)
    read = SlurmSettings() if path is None else checked_settings(read_object(name, path), SlurmSettings, name, path)
    settings = replace(read, **flags)
    if settings.signal_seconds >= settings.minutes * 60:
        valid = f"must be less than the time limit, {settings.minutes * 60} seconds"
        raise InvalidValue(f"{PREFIX}_signal_delay", settings.signal_delay, valid)
    return settings


def refuse_without_slurm(args: argparse.Namespace) -> None:
    """Refuse flags that would have no effect.

    Raises:
        UserError: if a flag of Slurm is given for a command that runs here.
    """
    for name in given(args, SlurmFlags, PREFIX) if args.platform == LOCAL else ():
        raise UserError(f"--{PREFIX}_{name}: has no effect without --platform={SLURM}")
