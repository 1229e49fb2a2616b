"""Where results come from: hyperparameters, machines, versions and dates, read from the runs' own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from foundations.errors import UnreadableFile
from foundations.paths import RunPaths
from foundations.storage import read_json, read_text
from open_lth.results import read_diagnostics
from open_lth.results.replicates import Replicate, displayed_fields
from training import ALL_LAYERS


def hyperparameters(runs: pd.DataFrame) -> tuple[dict[str, str], pd.DataFrame]:
    """Return the hyperparameters that all runs share, and a table of those in which they differ.

    The table has a row for each panel and method; of several values, as in replicates' seeds, it has all. What runs
    do not have, such as the flags of a branch, is missing.

    Args:
        runs: a table of runs with `panel` and `method`.
    """
    rows = {}
    for key, own in runs.groupby(["panel", "method"], sort=False, observed=True):
        values = [_fields(Path(directory)) for directory in own["directory"]]
        names = dict.fromkeys(name for fields in values for name in fields)
        rows[key] = {name: ", ".join(dict.fromkeys(f[name] for f in values if name in f)) for name in names}
    every = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["panel", "method"])
    shared = [name for name in every if every[name].notna().all() and every[name].nunique() == 1]
    return {str(name): str(every[name].iloc[0]) for name in shared}, every.drop(columns=shared).reset_index()


def _fields(run: Path) -> dict[str, str]:
    """Return the displayed hyperparameters of a run: its trunk's and, if it is a branch, its own."""
    trunk = Replicate(RunPaths(run).replicate).hparams
    own = RunPaths(run).hparams
    try:
        return {**trunk, **(displayed_fields(read_text(own, errors="replace")) if own.exists() else {})}
    except UnreadableFile:
        return trunk


def diagnostics(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what variants say of their trained networks, means over replicates.

    The table has a row for each panel, method, level and layer, all layers together first, and a column for each
    measure; it is empty if no variant says anything, or no run was evaluated.

    Args:
        runs: a table of runs with `panel` and `method`.
    """
    keys = ["panel", "method", "level", "layer"]
    said = read_diagnostics(dict.fromkeys(runs["directory"]))[["directory", "layer", "measure", "value"]]
    if said.empty:
        return pd.DataFrame(columns=keys)
    labelled = runs[["panel", "method", "level", "directory"]].drop_duplicates().merge(said, on="directory")
    table = labelled.pivot_table(index=keys, columns="measure", values="value", sort=False, observed=True)
    table = table[list(dict.fromkeys(said["measure"]))].reset_index()
    return table.sort_values("layer", key=lambda layers: layers != ALL_LAYERS, kind="stable", ignore_index=True)


def environments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each machine and set of versions: what it is, how many trainings it ran, hours, and when."""
    rows = [
        {**_provenance(RunPaths(Path(run["directory"]))), "processor": run["processor"], "seconds": run["seconds"]}
        for _, run in runs.drop_duplicates("directory").iterrows()
    ]
    table = pd.DataFrame(rows)
    keys = [name for name in table if name not in ("seconds", "started")]
    groups = table.groupby(keys, sort=False, dropna=False)
    found = groups["seconds"].agg(trainings="size", hours=lambda seconds: seconds.sum() / 3600)
    found["first started"], found["last started"] = groups["started"].min(), groups["started"].max()
    return found.reset_index()


def _provenance(paths: RunPaths) -> dict[str, Any]:
    """Return what is known of a run's origin."""
    try:
        kept = read_json(paths.command)
    except UnreadableFile:
        kept = {}
    kept = kept if isinstance(kept, Mapping) else {}
    packages = kept.get("packages", {})
    known = {name: kept.get(name) for name in ("machine", "device", "python")}
    return {**known, **packages, "started": kept.get("started")}
