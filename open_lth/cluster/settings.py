"""What each job asks of Slurm, from flags and a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from foundations.context import user_path
from foundations.errors import InvalidValue, one_of
from open_lth.flags.platform_flags import PREFIX

_TIME = re.compile(r"(?:(?P<d>\d{1,4})-)?(?P<a>\d{1,6})(?::(?P<b>\d{1,6}))?(?::(?P<c>\d{1,6}))?", re.ASCII)
_SIZE = re.compile(r"\d{1,9}([KMGT]B?)?", re.ASCII | re.IGNORECASE)
_KEY = re.compile(r"[a-z][a-z-]*", re.ASCII)
_OWN_FLAGS = {"partition": "partition", "time": "time", "gpus": "gpus", "gpus-per-node": "gpus",
              "cpus-per-task": "cpus", "mem": "mem", "account": "account", "signal": "signal_delay"}  # fmt: skip
_NOT_FOR_USERS = ("array", "dependency", "error", "kill-on-invalid-dep", "nodes", "no-requeue", "ntasks",
                  "ntasks-per-node", "open-mode", "output", "parsable", "requeue", "test-only", "wait",
                  "wrap")  # fmt: skip


@dataclass(frozen=True)
class SlurmSettings:
    """What each job asks for; None leaves it to the cluster.

    Args:
        minutes: the time limit.
        signal_delay: seconds before the limit at which a job is told to make way.
        extra: further options of sbatch; None stands for one without a value.
        parallel: how many elements of an array run at a time.
    """

    partition: str | None = None
    minutes: int = 240
    gpus: int | None = None
    cpus: int | None = None
    mem: str | None = None
    account: str | None = None
    extra: tuple[tuple[str, str | None], ...] = ()
    signal_delay: int = 120
    parallel: int | None = None


def read_settings(flags: Mapping[str, Any]) -> SlurmSettings:
    """Return what flags and their file say; flags win.

    Args:
        flags: those that were given, by their names without `slurm_`.

    Raises:
        UserError: if the file cannot be read, a name is unknown or a value is invalid.
    """
    values = dict(flags)
    if (file := values.pop("file", None)) is not None:
        values = {**_read_file(file), **values}
    minutes = _minutes(values.get("time", "04:00:00"))
    return SlurmSettings(
        minutes=minutes,
        signal_delay=_signal_delay(values.get("signal_delay"), minutes),
        extra=_extra(values.get("extra", [])),
        **{name: read(name, values[name]) for name, read in _READERS.items() if name in values},
    )


def _read_file(text: str) -> dict[str, Any]:
    path = user_path(f"{PREFIX}file", text)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValue(f"{PREFIX}file", path, f"cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InvalidValue(f"{PREFIX}file", path, f"is no JSON file: {error}") from None
    if not isinstance(content, dict):
        raise InvalidValue(f"{PREFIX}file", path, 'must hold one JSON object, e.g. {"partition": "gpu", "gpus": 1}')
    valid = (*_READERS, "time", "signal_delay", "extra")
    if unknown := [name for name in content if name not in valid]:
        raise InvalidValue(f"{PREFIX}file", path, f"there is no {unknown[0]}; {one_of(sorted(valid))}")
    return content


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
        raise InvalidValue(PREFIX + name, value, "must be text")
    return value


def _size(name: str, value: object) -> str:
    if not isinstance(value, str) or not _SIZE.fullmatch(value):
        raise InvalidValue(PREFIX + name, value, "must be a size as sbatch takes it, e.g. 16GB or 900M")
    return value


def _count(name: str, value: object) -> int:
    text = "" if isinstance(value, bool) else str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or int(text) < 1:
        raise InvalidValue(PREFIX + name, value, "must be a whole number of at least 1")
    return int(text)


_READERS: dict[str, Callable[[str, object], Any]] = {
    "partition": _text,
    "gpus": _count,
    "cpus": _count,
    "mem": _size,
    "account": _text,
    "parallel": _count,
}


def _minutes(value: object) -> int:
    """Return a time as sbatch takes it in minutes, rounded up, as sbatch does."""
    match = _TIME.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise InvalidValue(f"{PREFIX}time", value, "must be a time as sbatch takes it, e.g. 30, 04:00:00 or 1-12")
    days, *rest = (int(match[part] or 0) for part in "dabc")
    begins_with_hours = match["d"] is not None or match["c"] is not None
    hours, minutes, seconds = rest if begins_with_hours else (0, *rest[:2])
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total <= 0:
        raise InvalidValue(f"{PREFIX}time", value, "must be longer than nothing")
    return -(-total // 60)


def _signal_delay(value: object, minutes: int) -> int:
    if value is None:
        return min(120, minutes * 15)
    delay = _count("signal_delay", value)
    if delay >= minutes * 60:
        raise InvalidValue(f"{PREFIX}signal_delay", value, f"must be less than the time limit, {minutes * 60} seconds")
    return delay


def _extra(values: object) -> tuple[tuple[str, str | None], ...]:
    name = f"{PREFIX}extra"
    if not isinstance(values, list):
        raise InvalidValue(name, values, 'must be a list of texts, e.g. ["constraint=a100", "exclusive"]')
    found: dict[str, str | None] = {}
    for value in values:
        key, has_value, rest = _text("extra", value).removeprefix("--").partition("=")
        key = key.replace("_", "-")
        if not _KEY.fullmatch(key) or (has_value and not rest):
            raise InvalidValue(name, value, "must look like KEY or KEY=VALUE, e.g. constraint=a100")
        if own := _abbreviated(key, _OWN_FLAGS):
            raise InvalidValue(name, value, f"--{PREFIX}{_OWN_FLAGS[own]} is there for this")
        if _abbreviated(key, _NOT_FOR_USERS):
            raise InvalidValue(name, value, "is decided by the project")
        found[key] = rest if has_value else None
    return tuple(found.items())


def _abbreviated(key: str, options: Iterable[str]) -> str | None:
    """Return which of some options sbatch may take a key for: it takes beginnings, too."""
    return next((option for option in options if option.startswith(key)), None)
