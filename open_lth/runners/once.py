"""Work that fills a directory: done once, by one process at a time, and without a trace if it is refused."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from foundations.checksum import lost_files, remove, settle, unsettled_files
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.lock import HOLDER_NAME, LOCK_NAME, MARKER_NAME, exclusive
from foundations.messages import LOGGER
from foundations.paths import RunPaths
from foundations.stored import stored_runs

_BELOW = ("level_*/main", "level_*/lrr", "part_*")
"""The directories that a directory's lock protects besides it; branches have locks of their own."""

_WHILE_TRAINING = ("save_every", "evaluate_train", "gradient_norms", "callbacks")
"""What of a context asks for more files or measures of a training, and nothing of one that has ended."""


def train_once(directory: Path, context: RunContext, is_done: Callable[[], bool], work: Callable[[], object]) -> None:
    """Do the work, as `do_once` does; of what was done already, say which flags come too late for it."""
    flags = ", ".join(f"--{name}" for name in _WHILE_TRAINING if getattr(context, name))
    if not do_once(directory, context, is_done, work) and flags:
        remedy = "another --replicate or --root trains anew"
        LOGGER.warning("%s: without effect on runs that are finished; %s", flags, remedy)


def do_once(directory: Path, context: RunContext, is_done: Callable[[], bool], work: Callable[[], object]) -> bool:
    """Do the work if it is not done yet, with the directory locked, and return whether there was anything to do.

    Raises:
        RunIsLocked: if another process is at it, and goes on for longer than this one may wait.
    """
    own = [directory, *(place for pattern in _BELOW for place in directory.glob(pattern))]
    if is_done() and not any(map(unsettled_files, own)):
        return False
    say = None if context.quiet else lambda text: print(text, file=sys.stderr, flush=True)
    with exclusive(directory, context.lock_timeout, say), _nothing_left_if_refused(directory, context.root):
        for place in own:
            settle(place)
        if not is_done():  # it may have been what this process waited for
            work()
    return True


def is_whole(paths: RunPaths) -> bool:
    """Return whether no file of a run is gone that its command makes again from the others: see `lost_files`."""
    lost = {*lost_files(paths.directory)}
    first = list(paths.models_among({*paths.models().values(), *lost}).values())[:1]  # training began from it
    return lost.isdisjoint({paths.hparams, paths.mask, paths.sparsity_report, *first})


@contextlib.contextmanager
def _nothing_left_if_refused(directory: Path, root: Path) -> Iterator[None]:
    """Remove what was prepared in a new directory if a mistake of the user's ends the block before any training began.

    Args:
        root: the directory of all results; what is empty below it is removed, too.
    """
    is_new = all(path.name in (LOCK_NAME, MARKER_NAME, HOLDER_NAME) for path in directory.iterdir())
    try:
        yield
    except UserError:
        # Branches lock their own directories, and those of their parts with them.
        own = (run for run in stored_runs(directory) if not (run.directory / LOCK_NAME).exists())
        runs = [RunPaths(directory), *map(RunPaths, directory.glob("part_*")), *own]
        if is_new and not any(run.checkpoint.exists() or run.is_finished for run in runs):
            for run in runs:
                _remove_preparations(run)
            (directory / HOLDER_NAME).unlink(missing_ok=True)
            (directory / LOCK_NAME).unlink(missing_ok=True)
            for place in sorted({p for run in runs for p in (run.directory, *run.directory.parents)}, reverse=True):
                if root in place.parents:
                    with contextlib.suppress(OSError):  # it holds something else
                        place.rmdir()
        raise


def _remove_preparations(run: RunPaths) -> None:
    """Remove the files that are written before training begins, and no others."""
    for path in (run.hparams, run.command, run.mask, run.sparsity_report, *run.models().values()):
        remove(path)
