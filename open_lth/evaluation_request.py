"""What an evaluation is asked for, and whether one that was made before has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundations.paths import LEVELS, REPLICATES, RunPaths

Evaluation = dict[str, Any]
"""What is kept in `evaluation.json`."""

ENSEMBLES = (REPLICATES, LEVELS)


@dataclass(frozen=True)
class EvaluationRequest:
    """What an evaluation is to look at besides the test examples.

    Args:
        passes: how often it looks at everything; 0 for no evaluation at all.
        shifts: the shifts, each at every severity.
        ood: what is out of distribution.
        ensemble: whose predictions are averaged, `replicates` or `levels`; if empty, each run is measured by itself.
        samples: of the weights, in each prediction; 0 for as many as the network's hyperparameters say.
        on: the data set whose test examples are measured; if empty, the network's own.
        results: the files of what branches find out besides training networks.
    """

    passes: int = 0
    shifts: tuple[str, ...] = ()
    ood: tuple[str, ...] = ()
    ensemble: str = ""
    samples: int = 0
    on: str = ""
    results: tuple[Path, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What tells it from the usual evaluation, beside which it is kept."""
        found = (f"on_{self.on}" if self.on else "", f"{self.samples}_samples" if self.samples else "")
        return tuple(filter(None, found))

    def place(self, paths: RunPaths) -> Path:
        """Return where the evaluation of a run, or an ensemble, is kept."""
        return paths.evaluation_with(*self.told)

    def __str__(self) -> str:
        asked = {"shift": ",".join(self.shifts), "ood": ",".join(self.ood), "ensemble": self.ensemble}
        asked |= {"samples": str(self.samples or ""), "on": self.on}
        flags = [f"--{flag}={value}" for flag, value in asked.items() if value]
        return " ".join([f"{self.passes} passes", *flags])

    def is_answered_by(self, kept: Mapping[str, Any]) -> bool:
        """Return whether what was kept has everything, with as many passes."""
        return not self.missing_from(kept)

    def missing_from(self, kept: Mapping[str, Any]) -> list[str]:
        """Return what was not kept, or with fewer passes: `test`, and names of shifts and of OOD images."""
        missing = [] if kept.get("passes", 0) >= self.passes and "reliability" in kept else ["test"]
        for name in self.shifts:
            of_shift = kept.get("shift", {}).get(name, {})
            if not of_shift or any(_passes(measures) < self.passes for measures in of_shift.values()):
                missing.append(name)
        for name in self.ood:
            of_score = kept.get("ood", {}).get(name, {})
            if not of_score or any(_passes(measures) < self.passes for measures in of_score.values()):
                missing.append(name)
        return missing


def _passes(measures: Mapping[str, Mapping[str, Any]]) -> int:
    return min((len(measure["values"]) for measure in measures.values()), default=0)
