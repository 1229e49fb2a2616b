"""Runs that are chosen by name: lotteries and branches, each with a label of what tells it from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundations.errors import UserError
from foundations.paths import MAIN, RunPaths
from foundations.storage import read_text
from open_lth.results.named import begins, holders
from open_lth.results.replicates import Replicate, displayed_fields

KIND = "kind"
"""What the name of a branch stands under among hyperparameters."""

_FIRST = (KIND, "variant_name", "pruning_strategy")


@dataclass(frozen=True)
class Chosen:
    """A lottery, a single training or a branch, in all its replicates.

    Args:
        name: of the experiment.
        branch: the directory's name of the branch that is meant; empty for the experiment itself.
        replicates: those that have it.
    """

    name: str
    branch: str
    replicates: tuple[Replicate, ...]

    def runs(self) -> list[RunPaths]:
        """Return its finished runs: all levels in all replicates."""
        every = [run for replicate in self.replicates for run in replicate.runs()]
        return [run for run in every if (run.branch == self.branch if self.branch else run.kind == MAIN)]

    def fields(self) -> dict[str, str]:
        """Return its hyperparameters as displayed, a branch's arguments and name among them."""
        first = self.replicates[0]
        own = dict(first.hparams)
        own.setdefault("variant_name", "deterministic")
        if self.branch:
            place = next((run.hparams for run in self.runs() if run.hparams.exists()), None)
            arguments = displayed_fields(read_text(place, errors="replace")) if place else {}
            own |= {KIND: self.runs()[0].kind.partition("/")[0] if self.runs() else self.branch, **arguments}
        return own


def choose(root: Path, names: Sequence[str]) -> list[Chosen]:
    """Return what some names mean.

    Args:
        names: of experiments or branches, or the beginnings of these or of their hashes.

    Raises:
        UserError: if one means nothing, or several experiments or branches.
    """
    return [_chosen(root, name) for name in names]


def _chosen(root: Path, name: str) -> Chosen:
    replicates = holders(root, name)
    if any(begins(one.paths.name, name) for one in replicates):
        return Chosen(replicates[0].paths.name, "", tuple(replicates))
    branches = {branch for one in replicates for branch in one.branches if begins(branch, name)}
    experiments = {one.paths.name for one in replicates}
    if len(branches) > 1:
        raise UserError(f"{name}: several branches begin so: {', '.join(sorted(branches))}")
    if len(experiments) > 1:
        raise UserError(f"{name}: several experiments have this branch: {', '.join(sorted(experiments))}")
    return Chosen(experiments.pop(), branches.pop(), tuple(replicates))


def differences(chosen: Sequence[Chosen]) -> list[dict[str, str]]:
    """Return of each the hyperparameters in which they differ, `-` where it has none."""
    fields = [one.fields() for one in chosen]
    names = dict.fromkeys(name for own in fields for name in own)
    differing = [name for name in names if len({own.get(name) for own in fields}) > 1]
    return [{name: own.get(name, "-") for name in differing} for own in fields]


def labels(chosen: Sequence[Chosen], apart_from: Sequence[str] = ()) -> list[str]:
    """Return a label for each: as few of the hyperparameters in which they differ as tell them apart.

    The name of a branch, the variant and the strategy come first. Where nothing tells some apart, their hashes do.

    Args:
        apart_from: hyperparameters that are said elsewhere.
    """
    differing = differences(chosen)
    names = sorted((name for name in differing[0] if name not in apart_from), key=lambda name: name not in _FIRST)
    used: list[str] = []
    for name in names:
        if _distinct(differing, [*used, name]) > _distinct(differing, used):
            used.append(name)
    found = [", ".join(filter(None, (_said(name, own[name]) for name in used))) for own in differing]
    hashes = [(one.branch or one.name).rpartition("_")[2][:8] for one in chosen]
    return [
        label if label and found.count(label) == 1 else f"{label} ({mark})" if label else mark
        for label, mark in zip(found, hashes, strict=True)
    ]


def _distinct(differing: Sequence[Mapping[str, str]], names: Sequence[str]) -> int:
    return len({tuple(own[name] for name in names) for own in differing})


def _said(name: str, value: str) -> str:
    if value == "-":
        return ""
    return value if name in _FIRST else f"{name}={value}"


def panel_of(fields: Mapping[str, str]) -> str:
    """Return the name of a panel: network and data."""
    return f"{fields.get('model_name', 'network')} ({fields.get('dataset_name', 'data')})"
