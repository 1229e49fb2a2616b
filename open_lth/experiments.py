"""What lies under the root: every experiment, as its files tell."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundations.paths import RunPaths
from foundations.storage import UnreadableFile, read_json
from training import MetricLogger

_REPLICATE = re.compile(r"replicate_(\d+)", re.ASCII)
_LEVEL = re.compile(r"level_(\d+)", re.ASCII)
_FIELD = re.compile(r"    \* (\w+) => (.*)")


@dataclass(frozen=True)
class Experiment:
    """One replicate of one experiment, read from its directory alone, whichever program wrote it."""

    directory: Path

    @property
    def name(self) -> str:
        """The experiment's hashed name."""
        return self.directory.parent.name

    @property
    def replicate(self) -> int:
        """The replicate's number."""
        return int(self.directory.name.removeprefix("replicate_"))

    @property
    def first(self) -> RunPaths:
        """The run that holds hyperparameters and command: level 0's or the only one."""
        main = self.directory / "main"
        return RunPaths(main if main.exists() else self.directory / "level_0" / "main")

    @property
    def hparams_text(self) -> str:
        """The hyperparameters as they were written, or nothing."""
        return self.first.hparams.read_text(errors="replace") if self.first.hparams.exists() else ""

    @property
    def hparams(self) -> dict[str, str]:
        """The displayed hyperparameters by field; of a field in several groups, the first."""
        found: dict[str, str] = {}
        for line in self.hparams_text.splitlines():
            match = _FIELD.fullmatch(line)
            if match:
                found.setdefault(match[1], match[2])
        return found

    @property
    def command(self) -> str | None:
        """The command that made it, ready to paste, or None if it was not kept."""
        try:
            words = read_json(self.first.command)["command"]
        except (UnreadableFile, KeyError, TypeError):
            return None
        return shlex.join(["python", "open_lth.py", *words])

    def runs(self) -> Iterator[RunPaths]:
        """Iterate over the directories of its finished runs: levels, branches, or the only one."""
        for logger in sorted(self.directory.rglob("logger")):
            yield RunPaths(logger.parent)

    @property
    def levels(self) -> list[int]:
        """The levels whose main run is finished."""
        finished = (_LEVEL.fullmatch(run.directory.parent.name) for run in self.runs() if run.directory.name == "main")
        return sorted(int(match[1]) for match in finished if match)

    @property
    def branches(self) -> int:
        """The number of finished branches."""
        return sum(run.directory.name.startswith("lottery_branch_") for run in self.runs())

    @property
    def best_accuracy(self) -> float:
        """The best test accuracy of its main runs, or NaN."""
        accuracies = [MetricLogger.load(run.logger).best() for run in self.runs() if run.directory.name == "main"]
        return max((value for value in accuracies if not math.isnan(value)), default=math.nan)

    @property
    def size(self) -> int:
        """What its files take, in bytes."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())


def find_experiments(root: Path) -> list[Experiment]:
    """Return every replicate of every experiment under a root, by name and number."""
    found = (path for path in root.glob("*/replicate_*") if path.is_dir() and _REPLICATE.fullmatch(path.name))
    return sorted((Experiment(path) for path in found), key=lambda one: (one.name, one.replicate))
