"""One process at a time on one run."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from foundations.errors import UserError
from foundations.storage import write_json

LOCK_NAME = ".lock"
HOLDER_NAME = ".lock_holder.json"


class RunIsLocked(UserError):
    """Another process works on the run."""


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory's lock inside the block; the operating system frees it if the process dies.

    Raises:
        RunIsLocked: if another process holds it; the message names the process, its host and when it began.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunIsLocked(f"{directory}: in use by {_holder(directory)}; wait for it or stop it") from None
    try:
        started = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        write_json(directory / HOLDER_NAME, {"host": platform.node(), "pid": os.getpid(), "started": started})
        yield
    finally:
        (directory / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / HOLDER_NAME).read_text())
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
