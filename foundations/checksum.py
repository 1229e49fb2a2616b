"""A checksum beside each file, in the format of `sha256sum`, that is never out of step with it.

`.<name>.sha256` lists the digests that `<name>` may have. A file is replaced in three steps: its new digest joins
those it had, the file is renamed into place, the old digests go. So a process killed at any moment leaves a file
whose digest is listed. A file without such a list, as other programs write them, is taken as it is.

A comment in the list, which `sha256sum` skips, says to which run a file belongs: another level's or replicate's would
be as whole, and wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from foundations.atomic import give_second_name, replace_atomically, sync_directory
from foundations.errors import UnreadableFile, remedy_for
from foundations.paths import place_of

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_PLACE = "# of "
_SUFFIX = ".sha256"
_CHUNK = 1 << 20

Digests = tuple[str, ...]


class MisplacedFile(UnreadableFile):
    """A file belongs to another run, by what is noted beside it."""


def sidecar(path: Path) -> Path:
    """Return where a file's digests lie."""
    return path.with_name(f".{path.name}{_SUFFIX}")


def digest_of(file: IO[bytes]) -> str:
    """Return the SHA-256 of the rest of an open file; reads it in chunks."""
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def listed_digests(path: Path) -> Digests | None:
    """Return the digests that a file may have, or None if there is no list.

    Raises:
        UnreadableFile: if the list cannot be read as one of this file's digests, or is of another run's file.
    """
    try:
        lines = sidecar(path).read_bytes().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError:
        lines = []
    places = {line.removeprefix(_PLACE) for line in lines if line.startswith(_PLACE)}
    if places and place_of(path) not in places:
        remedy = f"put it back there, or delete {sidecar(path)} to take it for this run's"
        raise MisplacedFile(path, f"belongs to {places.pop()}, not to this run", remedy)
    lines = [line for line in lines if not line.startswith(_PLACE)]
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
            remedy = f"{remedy_for(path)}, or delete {sidecar(path).name} if you changed it yourself"
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
    place = place_of(path)
    head = f"{_PLACE}{place}\n" if place else ""
    lines = "".join(f"{digest}  {path.name}\n" for digest in dict.fromkeys(digests))
    replace_atomically(sidecar(path), (head + lines).encode())


def listed_files(directory: Path) -> list[Path]:
    """Return the files in a directory that have a list, whether they are there or not."""
    return [path.with_name(path.name[1 : -len(_SUFFIX)]) for path in sorted(directory.glob(f".*{_SUFFIX}"))]


def lost_files(directory: Path) -> list[Path]:
    """Return the files in a directory that were written once and are not there: someone has deleted them."""
    return [path for path in listed_files(directory) if not os.path.lexists(path)]


def unsettled_files(directory: Path) -> list[Path]:
    """Return the files in a directory of which a process that was killed has left several digests."""
    found = []
    for path in listed_files(directory):
        with contextlib.suppress(UnreadableFile):
            if path.is_file() and len(listed_digests(path) or ()) > 1:
                found.append(path)
    return found


def settle(directory: Path) -> None:
    """Bring the lists in a directory down to the digest that each file has; a damaged file's stays as it is.

    To be called by the only process that may write there.
    """
    for path in unsettled_files(directory):
        with path.open("rb") as file:
            digest = digest_of(file)
        if digest in (listed_digests(path) or ()):
            _list(path, [digest])
