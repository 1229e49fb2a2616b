"""A run that is refused leaves nothing behind."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from foundations.errors import UserError
from foundations.lock import HOLDER_NAME, LOCK_NAME
from foundations.paths import RunPaths


@contextlib.contextmanager
def nothing_left_if_refused(directory: Path, root: Path) -> Iterator[None]:
    """Remove a new directory if a mistake of the user's ends the block before any training began.

    Enter it with the directory's lock held, so that nobody else writes there.

    Args:
        root: the directory of all results; what is empty below it is removed, too.
    """
    is_new = all(path.name in (LOCK_NAME, HOLDER_NAME) for path in directory.iterdir())
    try:
        yield
    except UserError:
        if is_new and not _training_began(directory):
            shutil.rmtree(directory)
            with contextlib.suppress(OSError):  # a parent that holds something else ends the climb
                for parent in directory.relative_to(root).parents[:-1]:
                    (root / parent).rmdir()
        raise


def _training_began(directory: Path) -> bool:
    runs = [RunPaths(place) for place in (directory, *directory.rglob("*")) if place.is_dir()]
    return any(run.checkpoint.exists() or run.logger.exists() for run in runs)
