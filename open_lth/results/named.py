"""Experiments and runs by the names that people give them: whole ones, or the beginnings of their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from foundations.errors import InvalidValue, UserError, one_of
from foundations.paths import MAIN, Rewinding, RunPaths
from open_lth.results.replicates import Replicate, displayed_fields, find_replicates

_FEW = 5
"""Hyperparameters in which a lottery may differ to be taken for the one that was meant."""


def holders(root: Path, name: str) -> list[Replicate]:
    """Return the replicates of the experiment that is meant, or of all experiments that have a branch of that name.

    Raises:
        UserError: if no experiment has the name, or several names begin so.
    """
    fitting = _fitting(root, name)
    names = {own for one in fitting for own in (one.paths.name, *one.branches) if begins(own, name)}
    return fitting if len(names) == 1 else named_replicates(root, name)


def named_replicates(root: Path, name: str) -> list[Replicate]:
    """Return the replicates of the one experiment that is meant.

    Args:
        name: its name, or that of one of its branches, or the beginning of it or of its hash.

    Raises:
        UserError: if no or several experiments have the name.
    """
    fitting = _fitting(root, name)
    names = sorted({one.paths.name for one in fitting})
    if not names:
        raise UserError(f"{name}: no experiment under {root} has this name; `runs` lists them")
    if len(names) > 1:
        raise UserError(f"{name}: several experiments begin so: {', '.join(names)}")
    return fitting


def nearest_lottery(root: Path, wanted: str) -> str:
    """Return which lottery under a root is most like one that is not there, and in what it differs; or nothing.

    Args:
        wanted: the displayed hyperparameters of the one that is not there.
    """
    own = displayed_fields(wanted)
    found = [
        (_differences(own, one.hparams), one.paths.name)
        for one in find_replicates(root)
        if one.paths.name.startswith("lottery_") and one.hparams
    ]
    differing, name = min(found, key=lambda item: len(item[0]), default=([], ""))
    if not differing or len(differing) > _FEW:
        return ""
    return f"; {name} is there, which has {', '.join(differing)}"


def _differences(own: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    names = [name for name in dict.fromkeys([*own, *other]) if own.get(name) != other.get(name)]
    return [f"{name} {other.get(name, 'not given')} where this has {own.get(name, 'none')}" for name in names]


def _fitting(root: Path, name: str) -> list[Replicate]:
    found = find_replicates(root)
    return [one for one in found if any(begins(candidate, name) for candidate in (one.paths.name, *one.branches))]


def begins(candidate: str, name: str) -> bool:
    """Return whether a name, or the hash at its end, begins with another."""
    return candidate.startswith(name) or candidate.rpartition("_")[2].startswith(name)


def find_run(root: Path, name: str, replicate: int = 1, level: int | None = None, lrr: bool = False) -> RunPaths:
    """Return the paths of the finished run that is meant.

    Args:
        root: where experiments are looked for.
        name: the run's own directory, or an experiment or branch as in `named_replicates`.
        level: of a lottery or branch; the last finished one if None.
        lrr: whether a lottery's levels under learning rate rewinding are meant.

    Raises:
        UserError: if no or several runs are meant.
    """
    own = RunPaths(Path(name).expanduser().absolute())
    if own.is_finished:
        return own
    if "/" in name:
        raise UserError(f"{own.directory}: is not the directory of a finished run")
    replicates = {one.paths.number: one for one in named_replicates(root, name)}
    if replicate not in replicates:
        raise InvalidValue("replicate", replicate, one_of(map(str, replicates)))
    levels = _meant(replicates[replicate], name, lrr)
    if not levels:
        raise UserError(f"{replicates[replicate].paths.directory}: no such run is finished; `runs` lists what is")
    chosen = max(levels) if level is None else level
    if chosen not in levels:
        raise InvalidValue("level", chosen, f"finished are {', '.join(map(str, sorted(levels)))}")
    if len(levels[chosen]) > 1:
        names = ", ".join(run.directory.name for run in levels[chosen])
        raise UserError(f"{name}: several runs begin so: {names}")
    return RunPaths(levels[chosen][0].directory.absolute())


def _meant(replicate: Replicate, name: str, lrr: bool) -> dict[int, list[RunPaths]]:
    """Return the finished runs that a name may mean, by level; a run without levels counts as level 0."""
    levels: dict[int, list[RunPaths]] = {}
    for run in replicate.runs():
        number = run.level if isinstance(run.level, int) else 0
        kind = Rewinding.LEARNING_RATE.value if lrr and number else MAIN
        is_own = begins(replicate.paths.name, name)
        if run.kind == kind if is_own else run.trunk is not None and begins(run.directory.name, name):
            levels.setdefault(number, []).append(run)
    return levels
