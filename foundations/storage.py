"""Files that are written whole or not at all, and read without running what they hold."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from foundations.errors import UserError

TEMPORARY_SUFFIX = ".tmp"


class UnreadableFile(UserError):
    """A file of a run is damaged or holds more than tensors and plain values."""


def _write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY_SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file beside its place, flush it, and rename it into place."""
    _write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=4))


def save_tensors(path: Path, value: object) -> None:
    """Save nested dicts of tensors and plain values atomically, in `torch.save`'s format."""
    _write_atomically(path, lambda file: torch.save(value, file))


def load_tensors(path: Path) -> Any:
    """Load what `save_tensors` (or OpenLTH) wrote, onto the CPU.

    Raises:
        UnreadableFile: if the file is missing, damaged, or holds anything but tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except pickle.UnpicklingError:
        raise UnreadableFile(
            f"{path}: holds something other than tensors and plain values, or is damaged; it was not loaded. "
            "Delete it to have it made again"
        ) from None
    except Exception as error:  # torch raises whatever its unpickler stumbles over: IndexError, struct.error, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path}: damaged ({reason}); delete it to have it made again") from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UnreadableFile: if the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: unreadable ({error}); delete it to have it made again") from None
