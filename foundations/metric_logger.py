"""The measures of a run: OpenLTH's logger, lines of `name,iteration,value`."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import islice
from pathlib import Path

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import read_text, write_text


class MetricLogger:
    """Values by measure and iteration, in the order in which they were added."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, int], float] = {}

    def add(self, name: str, step: Step, value: float) -> None:
        """Record a measure at a step; a second value replaces the first."""
        self._values[(name, step.iteration)] = float(value)

    def get(self, name: str) -> dict[int, float]:
        """Return a measure's values by iteration, ascending."""
        return dict(sorted((iteration, value) for (key, iteration), value in self._values.items() if key == name))

    def names(self) -> list[str]:
        """Return the measures recorded."""
        return list(dict.fromkeys(name for name, _ in self._values))

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self._values)

    def entries(self, first: int = 0) -> list[tuple[str, int, float]]:
        """Return names, iterations and values in the order in which they were added, from the one of a number on."""
        return [(name, iteration, value) for (name, iteration), value in islice(self._values.items(), first, None)]

    def rows(self) -> dict[int, dict[str, float]]:
        """Return all measures by iteration."""
        table: dict[int, dict[str, float]] = defaultdict(dict)
        for (name, iteration), value in self._values.items():
            table[iteration][name] = value
        return dict(sorted(table.items()))

    def __str__(self) -> str:
        return "\n".join(f"{name},{iteration},{value}" for (name, iteration), value in self._values.items())

    def save(self, paths: RunPaths) -> None:
        """Write the measures into a run's directory."""
        write_text(paths.logger, str(self))

    @staticmethod
    def parse(text: str, origin: str = "the logger") -> MetricLogger:
        """Read what `str` gives.

        Raises:
            UserError: naming the origin and the line that is malformed.
        """
        logger = MetricLogger()
        for number, line in enumerate(text.splitlines(), start=1):
            name, *rest = line.split(",")
            try:
                iteration, value = rest
                key, measured = (name, int(iteration)), float(value)
                if not name or key[1] < 0:
                    raise ValueError
            except ValueError:
                reason = f"line {number} is not of the form name,iteration,value"
                raise UserError(f"{origin}: {reason}; delete the file to have it made again") from None
            logger._values[key] = measured
        return logger

    @staticmethod
    def load(path: Path) -> MetricLogger:
        """Read a logger file.

        Raises:
            UserError: if it cannot be read or a line is malformed.
        """
        return MetricLogger.parse(read_text(path), str(path))

    def best(self, name: str = "test_accuracy") -> float:
        """Return the greatest value of a measure, or NaN if it was never taken."""
        return max(self.get(name).values(), default=math.nan)
