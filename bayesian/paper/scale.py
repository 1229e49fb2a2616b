"""What a scale says about the paper's experiments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from bayesian.hparams import BAYESIAN
from foundations.errors import InvalidValue, UserError
from foundations.flags import Count, Read
from foundations.settings import STRICT
from open_lth.flags.levels import read_levels
from open_lth.suites import Scale

_NAMES = ("paper", "small", "medium", "gpu", "methods")
NAMED_SCALES = {name: Path(__file__).parent / "scales" / f"{name}.json" for name in _NAMES}

_FLAG = re.compile(r"--\w+(=.*)?", re.ASCII | re.DOTALL)
_OF_BAYESIAN = f"--{BAYESIAN}_"
_OF_BAYESIAN_ALONE = ("std_learning_rates", "optimizers", "settings")


def _split(text: Any) -> tuple[str, ...]:
    if not isinstance(text, str):
        raise ValueError("must be text")
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    for word in words:
        if not _FLAG.fullmatch(word):
            raise ValueError(f"{word!r} must be a flag, written --name=value")
    return words


def _levels(text: Any) -> str:
    try:
        read_levels(text if isinstance(text, str) else None)
    except UserError:
        raise ValueError("must be levels and ascending ranges of them, e.g. 0-2,5-8,12") from None
    return str(text)


Words = Annotated[tuple[str, ...], Read(_split)]
"""Flags as they are typed, each one word."""

Labelled = Mapping[str, Words]


@dataclass(frozen=True, kw_only=True)
class FigureScale:
    """What is different for one figure.

    Args:
        networks: those of the scale's networks that it has.
        optimizers: those of the scale's optimizers that it has.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    networks: tuple[str, ...] | None = None
    optimizers: tuple[str, ...] | None = None
    replicates: Count | None = None


@dataclass(frozen=True, kw_only=True)
class PaperScale:
    """A scale, read for one figure.

    Args:
        networks: flags by the network's name as people read it; they win over the flags common to all.
        levels: the last pruning level.
        branch_levels: from which levels to branch off, as `lottery_branch` takes them.
        flags: those common to all experiments: data, curriculum, pruning fraction. Deterministic and Bayesian networks
            share them, so that those of one replicate start from the same weights and see the same batches.
        bayesian: the flags of the Bayesian group, `--bayesian_...`; what Bayesian and transplanted networks have in
            addition.
        passes: how often the test set is passed for the error bars of figure 1.
        shift: for the figures about shift, what `evaluate --shift` takes.
        ood: likewise, what `evaluate --ood` takes.
        larger_networks: for figure 6, name and flags of a larger network by the name of the usual one.
        learning_rates: for figure 7, flags by what the legend says.
        std_learning_rates: for the scores under several learning rates of log std, flags by what the panel says.
        optimizers: for the figure about what fits the distribution, flags by what the legend says.
        settings: for the figure about what the paper leaves open, flags by what the legend says.
        one_shot: for the figure about pruning at once, flags of the branch oneshot by what the legend says.
        rewinding: for the figure about stability, flags that say where tickets start, by what the legend says.
        figures: what is different for each.
        description: what the scale is for.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    networks: Labelled
    levels: Count
    branch_levels: Annotated[str, Read(_levels)]
    flags: Words = ()
    bayesian: Words = ()
    replicates: Count = 1
    passes: Count = 10
    shift: str = "all"
    ood: str = "rotated,inverted,noised"
    larger_networks: Mapping[str, Labelled] = field(default_factory=dict)
    learning_rates: Labelled = field(default_factory=dict)
    std_learning_rates: Labelled = field(default_factory=dict)
    optimizers: Labelled = field(default_factory=dict)
    settings: Labelled = field(default_factory=dict)
    one_shot: Labelled = field(default_factory=dict)
    rewinding: Labelled = field(default_factory=dict)
    figures: Mapping[str, FigureScale] = field(default_factory=dict)
    description: str = ""

    @staticmethod
    def read(scale: Scale, figure: str) -> PaperScale:
        """Read a scale for a figure.

        Raises:
            InvalidValue: naming the scale and what is missing, unknown or not as it must be.
        """
        all_levels = f"1-{scale.get('levels')}"
        read = Scale({"branch_levels": all_levels, **scale}, scale.name).read(PaperScale)
        for complaint in (*_about_networks(read), *_about_flags(read), *_about_branches(read)):
            raise InvalidValue("scale", scale.name, complaint)
        own = read.figures.get(figure, FigureScale())
        networks = {label: read.networks[label] for label in own.networks or read.networks}
        optimizers = {label: read.optimizers[label] for label in own.optimizers or read.optimizers}
        replicates = own.replicates or read.replicates
        return replace(read, networks=networks, optimizers=optimizers, replicates=replicates)


def merged(*parts: Words) -> Words:
    """Return flags without repetition: of several values of one flag, the last."""
    by_name = {word.partition("=")[0]: word for part in parts for word in part}
    return tuple(by_name.values())


def _about_networks(scale: PaperScale) -> Iterator[str]:
    """Say what does not fit of the names of networks."""
    listed = ", ".join(scale.networks)
    if not scale.networks:
        yield "networks must have an entry: a name, and the flags of the network"
    for label, larger in scale.larger_networks.items():
        if label not in scale.networks:
            yield f"larger_networks: {label} is none of the networks {listed}"
        if len(larger) != 1:
            yield f"larger_networks: {label} must have one larger network, with its flags"
    for label in (*scale.networks, *(label for larger in scale.larger_networks.values() for label in larger)):
        if ", " in label:  # which parts the columns of a figure from its rows
            yield f"the name of a network must not hold ', ', as {label!r} does"
    for figure, own in scale.figures.items():
        if own.networks is not None and (not own.networks or not scale.networks.keys() >= {*own.networks}):
            yield f"figures: {figure}: networks must be a list of {listed}, not {[*own.networks]}"
        if own.optimizers is not None and (not own.optimizers or not scale.optimizers.keys() >= {*own.optimizers}):
            known = "; ".join(scale.optimizers)
            yield f"figures: {figure}: optimizers must be a list of {known}, not {[*own.optimizers]}"


def _about_flags(scale: PaperScale) -> Iterator[str]:
    """Say which flags that only Bayesian networks have stand where others are given them, or the other way round."""
    of_all = {
        "flags": [scale.flags],
        "networks": scale.networks.values(),
        "larger_networks": (words for networks in scale.larger_networks.values() for words in networks.values()),
        "learning_rates": scale.learning_rates.values(),
        "std_learning_rates": scale.std_learning_rates.values(),
        "optimizers": scale.optimizers.values(),
        "settings": scale.settings.values(),
        "one_shot": scale.one_shot.values(),
        "rewinding": scale.rewinding.values(),
    }
    for key, several in of_all.items():
        for name in (word.partition("=")[0] for words in several for word in words):
            if name == f"--{BAYESIAN}":
                yield f"{key}: {name} must be left out; each figure has networks of both kinds"
            if name.startswith(_OF_BAYESIAN) and key not in _OF_BAYESIAN_ALONE:
                yield f"{key}: {name} must stand in bayesian, since other networks do not have it"
    for name in (word.partition("=")[0] for word in scale.bayesian):
        if not name.startswith(_OF_BAYESIAN):
            yield f"bayesian: {name} must be a flag of Bayesian networks alone, {_OF_BAYESIAN}..."


def _about_branches(scale: PaperScale) -> Iterator[str]:
    if read_levels(scale.branch_levels)[-1] > scale.levels:
        yield f"branch_levels: {scale.branch_levels} reaches beyond levels, which is {scale.levels}"
