"""What is stored under the root: every replicate of every experiment, as its files say."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from foundations.errors import UnreadableFile, UserError
from foundations.lock import worker_of
from foundations.metric_logger import MetricLogger
from foundations.paths import ReplicatePaths, Rewinding, RunPaths
from foundations.storage import read_json, read_text
from foundations.stored import stored_replicates, stored_results, stored_runs
from open_lth.command import command_line

_FIELD = re.compile(r"    \* (\w+) => (.*)")

NOT_KEPT = "not kept (OpenLTH does not)"
"""What is said of a run's command in its place."""


@dataclass(frozen=True)
class Replicate:
    """One replicate of one experiment, read from its directory alone, whichever program wrote it."""

    paths: ReplicatePaths

    @property
    def first(self) -> RunPaths:
        """The run that holds hyperparameters and command: level 0's or the only one."""
        main = self.paths.main()
        return main if main.directory.exists() else self.paths.level(0)

    @functools.cached_property
    def hparams_text(self) -> str:
        """The hyperparameters as they were written, or what is wrong with their file, or nothing."""
        try:
            return read_text(self.first.hparams, errors="replace") if self.first.hparams.exists() else ""
        except UnreadableFile as error:
            return str(error)

    @functools.cached_property
    def hparams(self) -> dict[str, str]:
        """The displayed hyperparameters by field; of a field in several groups, the first."""
        return displayed_fields(self.hparams_text)

    @property
    def command(self) -> str | None:
        """The command that made its first run, ready to paste, or None if it was not kept."""
        return _command_of(self.first)

    def commands(self) -> dict[str, list[str]]:
        """Return every command that made finished runs, with the runs, such as `level_3/main`, that it made.

        Those whose command was not kept, as OpenLTH does not, are under words that say so.
        """
        made: dict[str, list[str]] = {}
        for run in self.runs():
            command = _command_of(run) or NOT_KEPT
            made.setdefault(command, []).append(str(run.directory.relative_to(self.paths.directory)))
        return made

    def runs(self) -> list[RunPaths]:
        """Return its finished runs: levels, branches, or the only one."""
        return [run for run in self._stored if run.is_finished]

    @functools.cached_property
    def _stored(self) -> list[RunPaths]:
        return stored_runs(self.paths.directory)

    @property
    def state(self) -> str:
        """What becomes of it: `running`, on which host if it is another, `diverged`, `interrupted` or `finished`."""
        workers = filter(None, map(worker_of, (self.paths.directory, *(run.directory for run in self._stored))))
        if worker := next(workers, ""):
            return "running" if worker == "here" else f"running on {worker}"
        unfinished = [run for run in self._stored if not run.is_finished]
        if any(run.diverged.exists() for run in unfinished):
            return "diverged"
        return "interrupted" if unfinished or not self._stored else "finished"

    @property
    def levels(self) -> list[int]:
        """The levels finished under iterative magnitude pruning."""
        return self._levels(Rewinding.WEIGHTS)

    @property
    def lrr_levels(self) -> list[int]:
        """The levels finished under learning rate rewinding, the shared level 0 left out."""
        return self._levels(Rewinding.LEARNING_RATE)

    def _levels(self, rewind: Rewinding) -> list[int]:
        return sorted(run.level for run in self.runs() if run.kind == rewind.value and isinstance(run.level, int))

    @property
    def branches(self) -> list[str]:
        """The names of its finished branches, one for each level."""
        found = (*self.runs(), *stored_results(self.paths.directory))
        return [name for _, name in sorted({(str(run.level), run.branch) for run in found if run.branch is not None})]

    @property
    def best_accuracy(self) -> float:
        """The best test accuracy of its runs, branches and pretraining aside, or NaN."""
        own = {rewind.value for rewind in Rewinding}
        accuracies = [_best_accuracy(run) for run in self.runs() if run.kind in own]
        return max((value for value in accuracies if not math.isnan(value)), default=math.nan)

    @property
    def size(self) -> int:
        """What its files take, in bytes."""
        return _size(self.paths.directory)


def displayed_fields(text: str) -> dict[str, str]:
    """Return the fields of displayed hyperparameters; of a field in several groups, the first."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _FIELD.fullmatch(line)
        if match:
            found.setdefault(match[1], match[2])
    return found


def find_replicates(root: Path) -> list[Replicate]:
    """Return every replicate of every experiment under a root, by name and number."""
    return [Replicate(paths) for paths in stored_replicates(root)]


def _command_of(run: RunPaths) -> str | None:
    try:
        return command_line(read_json(run.command)["command"])
    except (UnreadableFile, KeyError, TypeError):
        return None


def _best_accuracy(run: RunPaths) -> float:
    try:
        return MetricLogger.load(run.logger).best()
    except UserError:  # a damaged file does not hide the other runs
        return math.nan


def _size(directory: str | Path) -> int:
    """Return what the files below a directory take; what is renamed meanwhile, as temporary files are, is nothing."""
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(entry.path)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat().st_size
    except FileNotFoundError:
        pass
    return total
