"""A checksum beside each file, in the format of `sha256sum`, that is never out of step with it.

`.<name>.sha256` lists the digests that `<name>` may have. A file is replaced in three steps: its new digest joins
those it had, the file is renamed into place, the old digests go. So a process killed at any moment leaves a file
whose digest is listed. A file without such a list, as other programs write them, is taken as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from foundations.atomic import give_second_name, replace_atomically, sync_directory
from foundations.errors import UnreadableFile

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_CHUNK = 1 << 20

Digests = tuple[str, ...]


def sidecar(path: Path) -> Path:
    """Return where a file's digests lie."""
    return path.with_name(f".{path.name}.sha256")


def digest_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of the rest of an open file; reads it in chunks."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def listed_digests(path: Path) -> Digests | None:
    """Return the digests that a file may have, or None if there is no list.

    Raises:
        UnreadableFile: if the list cannot be read as one of this file's digests.
    """
    try:
        lines = sidecar(path).read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError:
        lines = []
    matches = [_LINE.fullmatch(line) for line in lines]
    digests = tuple(match[1] for match in matches if match and match[2] == path.name)
    if not digests or len(digests) < len(lines):
        remedy = f"delete it to accept {path.name} as it is"
        raise UnreadableFile(sidecar(path), f"damaged: holds no SHA-256 of {path.name}", remedy)
    return digests


def open_checked(path: Path) -> tuple[IO[bytes], bool]:
    """Open a file whose digest is listed, or that has no list.

    Returns:
        The open file, and whether there is a list.

    Raises:
        OSError: if the file cannot be opened or read.
        UnreadableFile: if its digest is not listed, or the list is damaged.
    """
    before: tuple[str, Digests] | None = None
    while True:
        listed = listed_digests(path)
        file = path.open("rb")
        if listed is None:
            return file, False
        try:
            now = digest_of(file), listed
            file.seek(0)
        except BaseException:
            file.close()
            raise
        if now[0] in listed:
            return file, True
        file.close()
        # A process that replaces the file just now has changed it or the list by the second look.
        if now == before:
            remedy = f"delete it to have it made again, or delete {sidecar(path).name} if you changed it yourself"
            raise UnreadableFile(path, f"damaged: its SHA-256 is not the one in {sidecar(path).name}", remedy)
        before = now


def put_in_place(new: Path, path: Path, previous: Path | None = None) -> None:
    """Rename a finished file to its place, with its digest.

    Args:
        previous: where the file goes that lies in that place now; if None, it is replaced.
    """
    with new.open("rb") as file:
        digest = digest_of(file)
    old = _acceptable_digests(path)
    if previous is not None and path.exists():
        _list(previous, (*_acceptable_digests(previous), *old))
        _list(path, (*old, digest))
        sync_directory(path.parent)
        give_second_name(path, previous)
        os.replace(new, path)
        _list(previous, old)
    else:
        _list(path, (*old, digest))
        sync_directory(path.parent)
        os.replace(new, path)
    if old:
        _list(path, [digest])
    sync_directory(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file together with its digest."""
    put_in_place(source, target)
    sidecar(source).unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file and its digests, as far as they are there."""
    path.unlink(missing_ok=True)
    sidecar(path).unlink(missing_ok=True)


def _acceptable_digests(path: Path) -> Digests:
    if not path.exists():
        return ()
    try:
        listed = listed_digests(path)
    except UnreadableFile:
        return ()
    if listed is None:
        with path.open("rb") as file:
            return (digest_of(file),)
    return listed


def _list(path: Path, digests: Iterable[str]) -> None:
    lines = "".join(f"{digest}  {path.name}\n" for digest in dict.fromkeys(digests))
    replace_atomically(sidecar(path), lines.encode())
