"""One process at a time on one run."""

from __future__ import annotations

import datetime
import errno
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from foundations.atomic import replace_atomically, sweep_temporaries
from foundations.errors import UserError

LOCK_NAME = ".lock"
HOLDER_NAME = ".lock_holder.json"

MARKER_NAME = ".lock_marker"
"""The file that is the lock where the file system has no `flock`; its holder's process is written in it."""

_WITHOUT_FLOCK = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL}

_EVERY = 0.5
"""Seconds between two looks at who holds a lock."""


class RunIsLocked(UserError):
    """Another process works on the run."""


@contextmanager
def exclusive(directory: Path, timeout: float = 0.0, say: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold a directory's lock inside the block; the operating system frees it if the process dies.

    Args:
        timeout: how many seconds to wait for another process that holds it.
        say: is told for whom, when waiting begins and whenever that changes.

    Raises:
        RunIsLocked: if another process still holds it; the message names the process, its host and when it began.
    """
    lock = _acquired(directory, timeout, say or (lambda text: None))
    try:
        started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        holder = {"host": platform.node(), "pid": os.getpid(), "started": started}
        sweep_temporaries(directory, HOLDER_NAME)
        replace_atomically(directory / HOLDER_NAME, json.dumps(holder).encode())
        yield
    finally:
        (directory / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _acquired(directory: Path, timeout: float, say: Callable[[str], object]) -> BaseFileLock:
    lock: BaseFileLock = FileLock(directory / LOCK_NAME)
    deadline, told = time.monotonic() + timeout, ""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        left = deadline - time.monotonic()
        try:
            lock.acquire(timeout=min(max(left, 0.0), _EVERY))
            return lock
        except (Timeout, FileNotFoundError):  # the latter: who held it was refused, and has removed the directory
            holder = _holder(directory)
            if left <= 0:
                raise RunIsLocked(f"{directory}: in use by {holder}; wait for it or stop it") from None
            if holder != told:
                told = holder
                say(f"{directory}: waiting for {holder}")
        except OSError as error:
            if error.errno not in _WITHOUT_FLOCK or isinstance(lock, SoftFileLock):
                raise
            lock = SoftFileLock(directory / MARKER_NAME)


def worker_of(directory: Path) -> str:
    """Return where the process is that holds a directory's lock, as far as can be told: `here`, a host, or nothing.

    The lock itself is left alone: who would try it could refuse another process that begins just now.
    """
    try:
        holder = json.loads((directory / HOLDER_NAME).read_text())
        host, number = str(holder["host"]), int(holder["pid"])
        if host != platform.node():
            return host
        os.kill(number, 0)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""
    return "here"


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / HOLDER_NAME).read_text())
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
