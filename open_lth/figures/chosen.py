"""A figure of runs that are chosen by name: accuracy, NLL, MACE and ECE over the weights remaining."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.storage import read_json
from open_lth.command import Words
from open_lth.figures.accuracy import make
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import look
from open_lth.results.chosen import choose, labels, panel_of
from open_lth.results.selection import PEAK, Selection
from open_lth.results.tables import read_runs
from open_lth.suites import Scale
from open_lth.suites.styles import styles_of
from open_lth.suites.suite_runs import SuiteRuns

FIGURE = "runs"
_MEASURES = ("accuracy", "loss", "mace", "ece")


@dataclass(frozen=True)
class ChosenRuns:
    """Runs of one's own, as `Plotter` has those of a scale.

    Args:
        root: where results lie.
        chosen: names of experiments and branches, or the beginnings of their hashes.
        selection: the epoch whose measures stand for a run.
        against: the method from which the table states differences; each panel's first one if None.
    """

    root: Path
    chosen: tuple[str, ...]
    selection: Selection = PEAK
    against: str | None = None

    @property
    def scale(self) -> Scale:
        """What the runs were chosen by."""
        return Scale({"runs": list(self.chosen)}, FIGURE)

    def names(self) -> list[str]:
        """Return the names of the figures, which are one."""
        return [FIGURE]

    def runs(self, name: str = FIGURE) -> SuiteRuns:
        """Return the runs, with panels and methods.

        Raises:
            UserError: if a name means no run, or none is finished; as `SuiteRuns.shown` does.
        """
        found = choose(self.root, self.chosen)
        places = [
            (panel_of(one.fields()), label, str(run.directory))
            for one, label in zip(found, labels(found, ("model_name", "dataset_name")), strict=True)
            for run in one.runs()
        ]
        table = read_runs(dict.fromkeys(directory for _, _, directory in places))
        if table.empty:
            raise UserError(f"--runs: none of {', '.join(self.chosen)} has a finished run under {self.root}")
        labelled = pd.DataFrame(places, columns=["panel", "method", "directory"]).astype("string").drop_duplicates()
        runs = SuiteRuns(labelled.merge(table, on="directory", how="inner"), {}, [])
        return runs.shown(self.selection, self.against)

    def draw(self, name: str = FIGURE) -> Drawing:
        """Draw the figure.

        Raises:
            UserError: as `runs` does; if none has levels.
        """
        runs = self.runs()
        if runs.table["level"].isna().all():
            raise UserError("--runs: none of these has levels; `open_lth.results.read_curves` has single trainings")
        with look():
            return make(runs, styles_of(runs.table["method"]), "Chosen runs", _MEASURES)

    def commands(self, names: Iterable[str] = ()) -> list[Words]:
        """Return the commands that made the runs, each once, as far as they were kept."""
        kept: dict[Words, None] = {}
        for directory in self.runs().table["directory"]:
            path = RunPaths(Path(directory)).command
            if path.exists():
                kept.setdefault(tuple(read_json(path)["command"]))
        return list(kept)
