"""Ensembles of finished runs: a ticket's replicates, or the tickets of all levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from foundations.errors import UserError
from foundations.paths import LEVELS, REPLICATES, RunPaths
from foundations.stored import stored_replicates
from training import TrainingRun


@dataclass(frozen=True)
class Ensemble:
    """Runs whose predictions are averaged.

    Args:
        kind: `replicates` or `levels`.
        members: the runs, finished ones alone.
        paths: where the ensemble's files go.
    """

    kind: str
    members: tuple[TrainingRun, ...]
    paths: RunPaths

    @property
    def label(self) -> str:
        """What it is called, as a run is by its label."""
        of = self.members[0].label if self.kind == REPLICATES else self.members[0].paths.directory.name
        return f"{of}, {len(self.members)} {self.kind}"


def ensembles_of(runs: Sequence[TrainingRun], kind: str) -> list[Ensemble]:
    """Return the ensembles that runs are in: of the replicates of each, or of all that are runs of one kind.

    Raises:
        UserError: if fewer than two members are finished.
    """
    if kind == LEVELS:
        found = [_ensemble(kind, runs, runs[0])]
    else:
        found = [_ensemble(kind, _replicates(run), run) for run in runs]
    return found


def _ensemble(kind: str, candidates: Iterable[TrainingRun], run: TrainingRun) -> Ensemble:
    members = tuple(one for one in candidates if one.is_done)
    paths = run.paths.ensemble(kind)
    if len(members) < 2:
        raise UserError(f"--ensemble={kind}: {paths.directory}: needs two or more that are finished; {len(members)} is")
    return Ensemble(kind, members, paths)


def _replicates(run: TrainingRun) -> list[TrainingRun]:
    """Return a run in every replicate that has a directory, in the order of their numbers."""
    own = run.paths.replicate
    within = run.paths.directory.relative_to(own.directory)
    return [
        replace(run, paths=RunPaths(one.directory / within), streams=replace(run.streams, replicate=one.number))
        for one in stored_replicates(own.root, own.name)
    ]
