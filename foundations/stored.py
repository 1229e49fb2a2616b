"""What is stored under a root, as the names of directories say."""

from __future__ import annotations

from pathlib import Path

from foundations.paths import LEVELS, MAIN, REPLICATES, ReplicatePaths, RunPaths


def stored_runs(directory: Path) -> list[RunPaths]:
    """Return the runs in a replicate's directory, finished or not: levels, branches, or the only one."""
    found = (*directory.glob("level_*/*"), directory / MAIN)
    return [RunPaths(place) for place in sorted(found) if place.is_dir()]


def stored_replicates(root: Path, name: str = "*") -> list[ReplicatePaths]:
    """Return the replicates of an experiment, or of all, by name and number."""
    found = [ReplicatePaths.of(place) for place in root.glob(f"{name}/replicate_*") if ReplicatePaths.is_one(place)]
    return sorted(found, key=lambda one: (one.name, one.number))


def stored_ensembles(root: Path) -> list[RunPaths]:
    """Return the ensembles of all experiments that have been measured."""
    folders = (*root.glob(f"*/ensemble_of_{REPLICATES}"), *root.glob(f"*/replicate_*/ensemble_of_{LEVELS}"))
    found = (sorted(folder.rglob(RunPaths(folder).evaluation.name)) for folder in sorted(folders))
    return [RunPaths(evaluation.parent) for own in found for evaluation in own]
