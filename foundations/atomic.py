"""Files that appear whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import fnmatch
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_TEMPORARY = ".????????.tmp"


@contextmanager
def written_beside(path: Path, write: Callable[[IO[bytes]], object]) -> Iterator[Path]:
    """Give a new file in another's directory, flushed to the disk; what is not renamed inside the block goes.

    Args:
        path: the file whose place the new one is to take.
        write: what fills it.

    Raises:
        OSError: naming the path, if the file cannot be written.
    """
    # Its name is known before it is there: a signal that ends the process at once leaves none behind.
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _failures_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def _failures_of(path: Path) -> Iterator[None]:
    """Let failures to write name the file, and bring out what torch hides."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # torch.save goes on after a failed write or a signal, and then stumbles over what is missing.
        hidden = error.__context__ if isinstance(error, RuntimeError) else error
        if isinstance(hidden, OSError):
            raise OSError(hidden.errno, hidden.strerror, str(path)) from None
        if isinstance(hidden, BaseException) and not isinstance(hidden, Exception):
            raise hidden from None
        raise


def replace_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it there, without a checksum; the caller syncs the directory."""
    with written_beside(path, lambda file: file.write(content)) as new:
        os.replace(new, path)


def give_second_name(path: Path, second: Path) -> None:
    """Let a file be found under a second name too, in place of what had it; the caller syncs the directory.

    Where the file system has no hard links, the file loses its first name.
    """
    link = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            os.link(path, link)
        except OSError:
            os.replace(path, second)
        else:
            os.replace(link, second)
    finally:
        link.unlink(missing_ok=True)  # renaming one name of a file to another of its names does nothing


def sync_directory(directory: Path) -> None:
    """Bring renamings in a directory to the disk, and keep them before those that follow."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_temporary(name: str) -> bool:
    """Return whether a file is called as those that are being written."""
    return fnmatch.fnmatch(name, f".*{_TEMPORARY}")


def sweep_temporaries(directory: Path, name: str = "*") -> None:
    """Remove what killed writers left half-written in a directory, not below it.

    To be called by the only process that may write there: a file that is being written looks the same.

    Args:
        name: the file whose temporary ones are meant; a checksum beside it counts as well.
    """
    for pattern in {f".{name}{_TEMPORARY}", f"..{name}.sha256{_TEMPORARY}"}:
        for path in directory.glob(pattern):
            if path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)
