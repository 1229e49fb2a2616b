"""Ensembles of finished runs: a ticket's replicates, or the tickets of all levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from foundations.errors import UserError
from foundations.messages import LOGGER
from foundations.paths import LEVELS, RunPaths
from foundations.stored import stored_replicates
from training import TrainingRun

LEAST_MEMBERS = 2


@dataclass(frozen=True)
class Ensemble:
    """Runs whose predictions are averaged.

    Args:
        kind: `replicates` or `levels`.
        of: what its members have in common: the label of a run in every replicate, or the kind of a run at every level.
        members: the runs, finished ones alone.
        paths: where the ensemble's files go.
    """

    kind: str
    of: str
    members: tuple[TrainingRun, ...]
    paths: RunPaths

    @property
    def label(self) -> str:
        """What it is called, as a run is by its label."""
        return f"{self.of}, {len(self.members)} {self.kind}"

    @property
    def has_enough(self) -> bool:
        """Whether there is something to average."""
        return len(self.members) >= LEAST_MEMBERS


def ensembles_of(runs: Sequence[TrainingRun], kind: str) -> list[Ensemble]:
    """Return the ensembles that runs are in: of the replicates of each, or of the levels of each training.

    Raises:
        UserError: if one of them has fewer than two members that are finished.
    """
    found = _ensembles(runs, kind)
    for ensemble in found:
        _check_enough(ensemble)
    return found


def ensembles_there(runs: Sequence[TrainingRun], kind: str) -> list[Ensemble]:
    """Return those that have enough members, with a warning of the others and one of sizes that differ.

    Raises:
        UserError: if none has.
    """
    every = _ensembles(runs, kind)
    found = [ensemble for ensemble in every if ensemble.has_enough]
    if not found:
        _check_enough(every[0])
    if lacking := [ensemble.of for ensemble in every if not ensemble.has_enough]:
        LOGGER.warning("--ensemble=%s: left out, with fewer than two that are finished: %s", kind, ", ".join(lacking))
    sizes = sorted({len(ensemble.members) for ensemble in found})
    if len(sizes) > 1:
        text = "--ensemble=%s: the ensembles have %d to %d members, and more do better: finish all to compare them"
        LOGGER.warning(text, kind, sizes[0], sizes[-1])
    return found


def _check_enough(ensemble: Ensemble) -> None:
    if not ensemble.has_enough:
        count = len(ensemble.members)
        there = f"needs two or more that are finished; {count} {'is' if count == 1 else 'are'}"
        raise UserError(f"--ensemble={ensemble.kind}: {ensemble.paths.directory}: {there}")


def _ensembles(runs: Sequence[TrainingRun], kind: str) -> list[Ensemble]:
    """Return the ensembles with what is finished of them, however little that is."""
    if kind == LEVELS:
        by_place: dict[RunPaths, list[TrainingRun]] = {}
        for run in runs:
            by_place.setdefault(run.paths.ensemble(kind), []).append(run)
        return [Ensemble(kind, own[0].paths.kind, _finished(own), place) for place, own in by_place.items()]
    return [Ensemble(kind, run.label, _finished(_replicates(run)), run.paths.ensemble(kind)) for run in runs]


def _finished(runs: Sequence[TrainingRun]) -> tuple[TrainingRun, ...]:
    return tuple(run for run in runs if run.is_done)


def _replicates(run: TrainingRun) -> list[TrainingRun]:
    """Return a run in every replicate that has a directory, in the order of their numbers."""
    own = run.paths.replicate
    within = run.paths.directory.relative_to(own.directory)
    return [
        replace(run, paths=RunPaths(one.directory / within), streams=replace(run.streams, replicate=one.number))
        for one in stored_replicates(own.root, own.name)
    ]
