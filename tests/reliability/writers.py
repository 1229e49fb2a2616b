"""Versions of a file, and a process that saves one after the other and is killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from foundations.errors import UnreadableFile
from foundations.storage import load_tensors, save_tensors

WEIGHTS = 1_000_000  # 4 MB: writing takes a while

SAVE: dict[str, Callable[[Path, object], object]] = {
    "the project": save_tensors,
    "torch.save": lambda path, value: torch.save(value, path),
}


def version(number: int, weights: int = 10) -> dict[str, Any]:
    """Return something to save that tells its number all over."""
    return {"number": number, "weights": torch.full((weights,), float(number))}


def version_in(path: Path) -> int | None:
    """Return the number of the version in a file, or None if it is not whole."""
    try:
        content = load_tensors(path)
        whole = bool((content["weights"] == content["number"]).all())
    except (UnreadableFile, LookupError, TypeError):
        return None
    return int(content["number"]) if whole else None


def kill_while_saving(directory: Path, kills: int, saver: str) -> dict[str, int]:
    """Kill a process that saves one version after the other, at random moments.

    Returns:
        How many kills lost the file, and how many found a newer version than the kill before.
    """
    path, moments = directory / "model.pth", random.Random(0)
    latest, lost, progress = 0, 0, 0
    save_tensors(path, version(0, WEIGHTS))
    for _ in range(kills):
        writer = os.fork()
        if writer == 0:
            for number in itertools.count(latest + 1):
                SAVE[saver](path, version(number, WEIGHTS))
        time.sleep(moments.uniform(0, 0.2))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        found = version_in(path)
        if found is None or found < latest:
            lost += 1
        else:
            progress += found > latest
            latest = found
    return {"lost": lost, "progress": progress}
