"""The runs that a suite's experiments stand for: which are there, and which are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from foundations.errors import InvalidValue, one_of
from foundations.paths import RunPaths
from open_lth.command import Words
from open_lth.evaluation_request import EvaluationRequest
from open_lth.results.branch_results import read_results
from open_lth.results.selection import PEAK, Selection
from open_lth.results.tables import read_runs
from open_lth.runners.evaluation import are_measured, is_measured
from open_lth.suites.suite import Series
from training import TrainingRun


@dataclass(frozen=True)
class SuiteRuns:
    """The runs behind a figure.

    Args:
        table: the finished runs as `read_runs` gives them, with `panel` and `method` in front, in the order of the
            series.
        trainings: the training run of each row, by its directory; of an ensemble's, a member.
        missing: a line for each experiment that is not finished.
        selection: the epoch whose measures stand for a run.
        against: the method from which tables state differences; each panel's first one if None.
        results: what branches found out, as `read_results` gives it, with `panel` and `method` in front.
    """

    table: pd.DataFrame
    trainings: dict[str, TrainingRun]
    missing: list[str]
    selection: Selection = PEAK
    results: pd.DataFrame = field(default_factory=pd.DataFrame)
    against: str | None = None

    def shown(self, selection: Selection, against: str | None) -> SuiteRuns:
        """Return them with the epoch and the comparison that are asked for.

        Raises:
            UserError: if no run has such an epoch, or there is no such method.
        """
        selection.check(self.table)
        found = [name for table in (self.table, self.results) if not table.empty for name in table["method"]]
        methods = [f"'{method}'" for method in dict.fromkeys(found)]  # whose names have commas
        if against is not None and methods and f"'{against}'" not in methods:
            raise InvalidValue("against", against, one_of(methods, f"'{against}'"))
        return replace(self, selection=selection, against=against)


CommandReader = Callable[[Words], tuple[list[TrainingRun], EvaluationRequest]]
"""From a command to the training runs that it stands for, and what it measures of them."""


def find_runs(series: Iterable[Series], read: CommandReader) -> SuiteRuns:
    """Return the finished runs of series, and what is missing.

    Raises:
        UserError: if a command is invalid.
    """
    places: list[tuple[str, str, str]] = []
    results: list[tuple[str, str, str]] = []
    trainings: dict[str, TrainingRun] = {}
    missing: dict[tuple[str, str], list[int]] = {}
    for one in series:
        for experiment in one.experiments:
            runs, request = read(experiment.command)
            results += [(one.panel, one.method, str(path.parent)) for path in request.results if path.exists()]
            done = {str(directory): run for directory, run in _finished(runs, request)}
            places += [(one.panel, one.method, directory) for directory in done]
            trainings |= done
            for what in _missing(runs, request):
                missing.setdefault((f"{one.panel}, {one.method}", what), []).append(_replicate(runs, request))
    table = read_runs(dict.fromkeys(directory for _, _, directory in places))
    labelled = pd.DataFrame(places, columns=["panel", "method", "directory"]).astype("string").drop_duplicates()
    lines = [f"{which}, {_several('replicate', numbers)}: {what}" for (which, what), numbers in missing.items()]
    found = pd.DataFrame(results, columns=["panel", "method", "directory"]).astype("string").drop_duplicates()
    found = found.merge(read_results(found["directory"]), on="directory", how="inner")
    return SuiteRuns(labelled.merge(table, on="directory", how="inner"), trainings, lines, results=found)


def _finished(runs: Sequence[TrainingRun], request: EvaluationRequest) -> Iterator[tuple[Path, TrainingRun]]:
    """Iterate over directories of finished runs, or of the ensembles that were measured, each with a run of it."""
    for run in runs:
        paths = run.paths.ensemble(request.ensemble) if request.ensemble else run.paths
        if paths.evaluation.exists() if request.ensemble else paths.is_finished:
            yield paths.directory, run


def _replicate(runs: Sequence[TrainingRun], request: EvaluationRequest) -> int:
    return runs[0].streams.replicate if runs else RunPaths(request.results[0].parent).replicate.number


def _missing(runs: Sequence[TrainingRun], request: EvaluationRequest) -> Iterator[str]:
    undone_levels = [RunPaths(path.parent).level for path in request.results if not path.exists()]
    if undone_levels and not runs:
        yield f"{_several('level', [int(level or 0) for level in undone_levels])} not finished"
    undone = [run for run in runs if not run.paths.is_finished]
    if undone:
        yield f"{_levels(undone)} not finished"
    if request.ensemble:
        if not are_measured(runs, request):
            yield f"no ensemble of {request.ensemble} evaluated with {request}"
        return
    unmeasured = [run for run in runs if run not in undone and request.passes and not is_measured(run.paths, request)]
    if unmeasured:
        yield f"{_levels(unmeasured)} not evaluated with {request}"


def _levels(runs: Sequence[TrainingRun]) -> str:
    levels = _several("level", [int(run.streams.level) for run in runs])
    return f"{levels} {'are' if len(runs) > 1 else 'is'}"


def _several(what: str, numbers: Sequence[int]) -> str:
    return f"{what}{'s' if len(set(numbers)) > 1 else ''} {ranges(sorted(set(numbers)))}"


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending whole numbers as people write them: `0-2, 5`."""
    starts = [index for index, n in enumerate(numbers) if index == 0 or n != numbers[index - 1] + 1]
    groups = [numbers[start:end] for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True)]
    return ", ".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)
