"""From a scale and the results under a root to figures."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from pathlib import Path

from foundations.errors import UserError
from open_lth.command import Words, program_name, read_command
from open_lth.evaluation_request import EvaluationRequest
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import look
from open_lth.results.selection import PEAK, Selection
from open_lth.suites.plots import figure_names, plot_of, title_of
from open_lth.suites.styles import Style, styles_of
from open_lth.suites.suite import SUITES, Scale, Series, Suite, in_order, suites_of
from open_lth.suites.suite_runs import SuiteRuns, find_runs
from training import TrainingRun


class Plotter:
    """Draws the figures of a scale.

    Args:
        root: where the results lie.
        selection: the epoch whose measures stand for a run.
        against: the method from which tables state differences; each panel's first one if None.
    """

    def __init__(
        self,
        scale: Scale,
        root: Path,
        dataset_root: Path,
        selection: Selection = PEAK,
        against: str | None = None,
    ) -> None:
        self.scale = scale
        self._selection, self._against = selection, against
        self._root = root
        self._places = (f"--root={root}", f"--dataset_root={dataset_root}", "--device=cpu", "--quiet")
        self._read = functools.cache(self._read_command)
        self._of_scale = suites_of(scale)

    def names(self) -> list[str]:
        """Return the names of the figures that the scale's suites make, and has experiments for.

        Raises:
            UserError: if something is wrong with the scale.
        """
        of_scale = [name for name in figure_names() if any(suite in self._of_scale for suite in plot_of(name).suites)]
        return [name for name in of_scale if self.series(name)]

    def series(self, name: str) -> list[Series]:
        """Return what a figure is drawn from; suites that the scale leaves out count only if it has none of the others.

        Raises:
            UserError: if there is no such figure, or something is wrong with the scale.
        """
        suites = plot_of(name).suites
        chosen = [suite for suite in suites if suite in self._of_scale] or suites
        return [one for suite in chosen for one in SUITES.get(suite).series(self.scale)]

    def runs(self, name: str) -> SuiteRuns:
        """Return the runs of a figure.

        Raises:
            UserError: if none is finished, or the scale has none; if none has the epoch that is to be selected, or
                is of the method to compare with; as `series` does.
        """
        series = self.series(name)
        if not series:
            raise UserError(f"figure {name}: the scale has no experiments for it")
        runs = find_runs(series, self._read)
        if runs.table.empty and runs.results.empty:
            command = f"reproduce --scale={self.scale.name} --figure {' '.join(plot_of(name).suites)}"
            raise UserError(
                f"figure {name}: none of its runs is under {self._root}; `{program_name()} {command}` makes them"
            )
        try:
            return runs.shown(self._selection, self._against)
        except UserError as error:
            raise UserError(f"figure {name}: {error}") from None

    def commands(self, names: Iterable[str]) -> list[Words]:
        """Return the commands that make the runs of figures, each once, in an order in which they can be run."""
        return [one.command for one in in_order([series for name in names for series in self.series(name)])]

    def draw(self, name: str) -> Drawing:
        """Draw a figure from what is there.

        Raises:
            UserError: naming the figure, if something that it needs is not there; as `series` does.
        """
        plot, runs = plot_of(name), self.runs(name)
        make = importlib.import_module(plot.module).make
        try:
            with look():
                drawn: Drawing = make(runs, self.styles, title_of(name), **plot.options)
        except UserError as error:
            raise UserError(f"figure {name}: {error}") from None
        return drawn

    @functools.cached_property
    def styles(self) -> dict[str, Style]:
        """The styles of the methods of all figures, whichever are drawn."""
        suites = [*self._of_scale.values(), *(suite for _, suite in SUITES.items())]
        return styles_of(one.method for suite in suites for one in self._series_if_any(suite))

    def _series_if_any(self, suite: Suite) -> list[Series]:
        try:
            return suite.series(self.scale)
        except UserError:  # the scale is not for this suite, which may be another plugin's
            return []

    def _read_command(self, words: Words) -> tuple[list[TrainingRun], EvaluationRequest]:
        return read_command((*words, *self._places))
