"""Whether the files under a root are as they were written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from foundations.atomic import is_temporary
from foundations.checksum import MisplacedFile, listed_files, open_checked, sidecar
from foundations.errors import UnreadableFile
from foundations.lock import HOLDER_NAME, LOCK_NAME, MARKER_NAME
from foundations.stored import stored_replicates

WHOLE, UNLISTED = "whole", "without a checksum"
DAMAGED, MISPLACED, MISSING, LEFT_OVER = "damaged", "misplaced", "missing", "left over"

_UNWRITTEN = (LOCK_NAME, MARKER_NAME, HOLDER_NAME)


class Inspected(NamedTuple):
    """What was found of a file: `whole`, or one of the other words, and why."""

    state: str
    path: Path
    reason: str = ""


def inspect_files(root: Path) -> Iterator[Inspected]:
    """Read every file of the experiments under a root, and say of each how it is; nothing is changed."""
    for experiment in sorted({one.directory.parent for one in stored_replicates(root)}):
        for place, folders, names in os.walk(experiment):
            folders.sort()
            yield from _in_directory(Path(place), names)


def _in_directory(directory: Path, names: list[str]) -> Iterator[Inspected]:
    listed = listed_files(directory)
    for path in listed:
        yield _state_of(path)
    known = {name for path in listed for name in (path.name, sidecar(path).name)}
    for name in sorted({*names} - known - {*_UNWRITTEN}):
        if is_temporary(name):
            yield Inspected(LEFT_OVER, directory / name, "what a process writes, or wrote when it was killed")
        else:
            yield Inspected(UNLISTED, directory / name)


def _state_of(path: Path) -> Inspected:
    if not os.path.lexists(path):
        return Inspected(MISSING, path, "deleted, for its checksum is there")
    if not path.is_file():
        return Inspected(DAMAGED, path, "is no regular file")
    try:
        file, _ = open_checked(path)
    except MisplacedFile as error:
        return Inspected(MISPLACED, path, error.reason)
    except UnreadableFile as error:
        return Inspected(DAMAGED, path, error.reason)
    except OSError as error:
        return Inspected(DAMAGED, path, f"cannot be read ({error.strerror})")
    file.close()
    return Inspected(WHOLE, path)
