"""What is stored under a root, as the names of directories say."""

from __future__ import annotations

from pathlib import Path

from foundations.paths import BRANCH, LEVELS, MAIN, REPLICATES, ReplicatePaths, RunPaths


def stored_runs(directory: Path) -> list[RunPaths]:
    """Return the runs in a replicate's directory, finished or not: levels, branches, or the only one.

    Of a branch of several trainings these are the runs; one that found out all it wanted without training is none.
    """
    found = (*directory.glob("level_*/*"), directory / MAIN)
    return [run for place in sorted(found) if place.is_dir() for run in _runs_at(RunPaths(place))]


def _runs_at(paths: RunPaths) -> list[RunPaths]:
    if paths.branch is None or paths.is_finished:
        return [paths]
    parts = [RunPaths(place) for place in sorted(paths.directory.glob("part_*")) if place.is_dir()]
    return parts if parts or paths.results.exists() else [paths]


def stored_results(directory: Path, branch: str = "*") -> list[RunPaths]:
    """Return the branches in a replicate's directory that found out something besides training networks.

    Args:
        branch: the name of a branch; all if it is not given.
    """
    found = directory.glob(f"level_*/{BRANCH}_{branch}_*/{RunPaths(directory).results.name}")
    return [RunPaths(place.parent) for place in sorted(found)]


def stored_replicates(root: Path, name: str = "*") -> list[ReplicatePaths]:
    """Return the replicates of an experiment, or of all, by name and number."""
    found = [ReplicatePaths.of(place) for place in root.glob(f"{name}/replicate_*") if ReplicatePaths.is_one(place)]
    return sorted(found, key=lambda one: (one.name, one.number))


def stored_ensembles(root: Path) -> list[RunPaths]:
    """Return the ensembles of all experiments that have been measured."""
    folders = (*root.glob(f"*/ensemble_of_{REPLICATES}"), *root.glob(f"*/replicate_*/ensemble_of_{LEVELS}"))
    found = (sorted(folder.rglob(RunPaths(folder).evaluation.name)) for folder in sorted(folders))
    return [RunPaths(evaluation.parent) for own in found for evaluation in own]
