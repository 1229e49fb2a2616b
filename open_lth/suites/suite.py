"""Suites: the runs that figures and tables are made of, as plain data."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from foundations.errors import InvalidValue, UserError, one_of
from foundations.registry import Registry
from foundations.settings import checked_settings

Settings = TypeVar("Settings")


@dataclass(frozen=True, eq=False)
class Scale(Mapping[str, Any]):
    """How large the experiments of suites are: plain data, as a JSON file holds it; what it says is up to the suites.

    Its `figures`, if there are any, name those that are meant unless others are asked for, each with what is different
    for it; its `replicates` is how many there are of every experiment; its `networks` are by their names.

    Args:
        name: what users call it: its registered name, or its file.
    """

    content: Mapping[str, Any]
    name: str

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def read(self, settings: type[Settings]) -> Settings:
        """Return what it says, as a suite's own dataclass of settings (`foundations.settings`).

        Raises:
            InvalidValue: naming the scale and what is missing, unknown or not as it must be.
        """
        return checked_settings(self, settings, "scale", self.name)


@dataclass(frozen=True)
class Experiment:
    """One command of the project, for one replicate.

    Args:
        command: the words after the program's name, without the flags that say where and how to run.
        after: the experiments that must have been done before, such as the trunk of a branch.
    """

    command: tuple[str, ...]
    after: tuple[Experiment, ...] = ()


@dataclass(frozen=True)
class Series:
    """What one curve of a figure is drawn from: one kind of experiment in every replicate.

    Args:
        panel: the part of the figure that the curve is in, usually a network's name as people read it.
        method: what the legend says; a method looks the same in every figure.
        experiments: one for each replicate.
    """

    panel: str
    method: str
    experiments: tuple[Experiment, ...]


@dataclass(frozen=True)
class Suite:
    """The experiments of one figure or table.

    Args:
        title: what the figure shows.
        series: from a scale to what is drawn.
    """

    title: str
    series: Callable[[Scale], list[Series]]


SUITES: Registry[Suite] = Registry("figure")
"""By the figure's name on the command line: 1 to 9, table1."""


def in_order(series: Sequence[Series]) -> list[Experiment]:
    """Return every experiment once, each after those it must come after; the first replicates of all come first."""
    ordered: dict[Experiment, None] = {}

    def add(experiment: Experiment) -> None:
        for earlier in experiment.after:
            add(earlier)
        ordered.setdefault(experiment)

    for replicates in itertools.zip_longest(*(one.experiments for one in series)):
        for experiment in filter(None, replicates):
            add(experiment)
    return list(ordered)


def suites_of(scale: Scale, names: Sequence[str] | None = None) -> dict[str, Suite]:
    """Return the suites of figures by name, in their order.

    Args:
        names: the figures asked for; if there are none, those that the scale names, or else all.

    Raises:
        UserError: if there is no such figure; the message lists the valid names.
    """
    if not names and not isinstance(scale.get("figures", {}), Mapping):
        raise InvalidValue("scale", scale.name, 'figures must be an object, e.g. {"1": {}, "4": {"replicates": 2}}')
    asked = names or scale.get("figures") or SUITES.names()
    return {name: SUITES.get(name) for name in asked}


def with_replicates(scale: Scale, replicates: int) -> Scale:
    """Return a scale with so many replicates of every experiment, in all figures."""
    figures = {name: {**own, "replicates": replicates} for name, own in _figures(scale).items()}
    return Scale({**scale, "replicates": replicates, "figures": figures or scale.get("figures", {})}, scale.name)


def with_networks(scale: Scale, names: Sequence[str]) -> Scale:
    """Return a scale with some of its networks alone, without the figures that it has for others only.

    Raises:
        UserError: if it has no such network, or no figure for it.
    """
    known = scale.get("networks")
    if not isinstance(known, Mapping):
        raise InvalidValue("scale", scale.name, "networks must be an object, with flags by the names of networks")
    quoted = [f"'{name}'" for name in known]  # whose names have spaces
    for name in names:
        if name not in known:
            raise InvalidValue("network", name, one_of(quoted, f"'{name}'"))
    content = {
        key: {name: own for name, own in scale[key].items() if name in names}
        for key in ("networks", "larger_networks")
        if isinstance(scale.get(key), Mapping)
    }
    figures = {name: _of_networks(own, names) for name, own in _figures(scale).items()}
    kept = {name: own for name, own in figures.items() if own.get("networks") != []}
    if figures and not kept:
        raise UserError(f"--network={' '.join(names)}: --scale={scale.name} has no figure for it")
    return Scale({**scale, **content, "figures": kept or scale.get("figures", {})}, scale.name)


def _of_networks(own: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """Return a figure's own settings for some networks alone; what is not as it must be is left to the suites."""
    if not isinstance(own.get("networks"), list) or not own["networks"]:
        return own
    return {**own, "networks": [one for one in own["networks"] if one in names]}


def _figures(scale: Scale) -> Mapping[str, Mapping[str, Any]]:
    """Return what is different for which figure; nothing if that is not as it must be, which `suites_of` says."""
    figures = scale.get("figures", {})
    if isinstance(figures, Mapping) and all(isinstance(own, Mapping) for own in figures.values()):
        return figures
    return {}
