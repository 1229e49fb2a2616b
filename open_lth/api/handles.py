"""Handles on finished runs: where they are, what was measured, their networks and masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import pandas as pd
from torch import nn

from foundations.metric_logger import MetricLogger
from open_lth.results import read_curves, read_runs
from pruning import Mask
from training import TrainingRun, place


@dataclass(frozen=True)
class Run:
    """One training run: a level of a lottery, a branch, or a run by itself.

    Args:
        training: what was trained, on which data, how, and where the results are.
    """

    training: TrainingRun

    @property
    def directory(self) -> Path:
        """Where its files lie."""
        return self.training.paths.directory

    @property
    def level(self) -> int | str | None:
        """The pruning level; None for a run without levels."""
        return self.training.paths.level

    @property
    def is_finished(self) -> bool:
        """Whether its results are there."""
        return self.training.is_done

    def mask(self) -> Mask:
        """Return which weights are kept: int tensors of 0 and 1, by name.

        Raises:
            UserError: if the file is missing or damaged.
        """
        return Mask.load(self.training.paths.mask)

    def network(self, step: str = "") -> nn.Module:
        """Return the network as it was saved, on the run's device.

        Args:
            step: when, e.g. `0ep` or `2ep`; at the end if empty.

        Raises:
            UserError: if it was not saved then, or is damaged.
        """
        at = self.training.step(step) if step else self.training.end
        return place(self.training.load_network(at), self.training.context)

    def measures(self) -> dict[str, float]:
        """Return the measures at the end of training, such as `test_accuracy` and `test_loss`."""
        logger = MetricLogger.load(self.training.paths.logger)
        return {name: values[max(values)] for name in logger.names() if (values := logger.get(name))}


class Runs(Sequence[Run]):
    """What a command has made, run by run: a lottery's levels, a branch at its levels.

    Args:
        runs: the runs.
        command: the words of the command that makes them.
    """

    def __init__(self, runs: Sequence[Run], command: tuple[str, ...]) -> None:
        self._runs = tuple(runs)
        self.command = command

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        """Return a run, or some of them."""
        return Runs(self._runs[index], self.command) if isinstance(index, slice) else self._runs[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        """Iterate over the runs."""
        return iter(self._runs)

    def __repr__(self) -> str:
        """Return the command and how far it is."""
        finished = sum(run.is_finished for run in self._runs)
        return f"<{finished} of {len(self)} runs of {' '.join(self.command)}>"

    def table(self) -> pd.DataFrame:
        """Return a row for each finished run, as `read_runs` does."""
        return read_runs([run.directory for run in self._runs if run.is_finished])

    def curves(self) -> pd.DataFrame:
        """Return a row for each measure at each step, as `read_curves` does."""
        return read_curves([run.directory for run in self._runs if run.is_finished])
