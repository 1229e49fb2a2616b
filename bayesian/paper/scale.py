"""What a scale says about the paper's experiments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayesian.paper.scale_checks import check_whole
from foundations.errors import UserError, one_of
from open_lth.suites import Scale

Words = tuple[str, ...]
"""Flags as they are typed, each one word."""

NAMED_SCALES = {name: Path(__file__).parent / "scales" / f"{name}.json" for name in ("paper", "small")}

_FLAG = re.compile(r"--\w+(=.*)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PaperScale:
    """A scale, read for one figure.

    Args:
        networks: flags by the network's name as people read it; they win over the flags common to all.
        levels: the last pruning level.
        flags: those common to all experiments: data, curriculum, pruning fraction. Deterministic and Bayesian networks
            share them, so that those of one replicate start from the same weights and see the same batches.
        bayesian: the flags of the Bayesian group, `--bayesian_...`; what Bayesian and transplanted networks have in
            addition.
        branch_levels: from which levels to branch off, as `lottery_branch` takes them.
        passes: how often the test set is passed for the error bars of figure 1.
        larger_networks: for figure 6, name and flags of a larger network by the name of the usual one.
        learning_rates: for figure 7, flags by what the legend says.
        std_learning_rates: for the scores under several learning rates of log std, flags by what the panel says.
        description: what the scale is for.
    """

    networks: Mapping[str, Words]
    levels: int
    flags: Words = ()
    bayesian: Words = ()
    branch_levels: str = ""
    replicates: int = 1
    passes: int = 10
    larger_networks: Mapping[str, Mapping[str, Words]] = field(default_factory=dict)
    learning_rates: Mapping[str, Words] = field(default_factory=dict)
    std_learning_rates: Mapping[str, Words] = field(default_factory=dict)
    description: str = ""

    @staticmethod
    def read(scale: Scale, figure: str) -> PaperScale:
        """Read a scale for a figure.

        Raises:
            UserError: naming what is missing, unknown or not as it must be.
        """
        _check_keys("", scale, [*_READERS, "figures"])
        for required in ("networks", "levels"):
            if required not in scale:
                raise UserError(f"--scale: {required} is missing")
        found = {key: _READERS[key](key, value) for key, value in scale.items() if key != "figures"}
        found.setdefault("branch_levels", f"1-{found['levels']}")
        check_whole(found)
        own = _object(f"figures: {figure}", _object("figures", scale.get("figures", {})).get(figure, {}))
        _check_keys(f"figures: {figure}: ", own, ["networks", "replicates"])
        if "networks" in own:
            found["networks"] = _chosen(found["networks"], own["networks"], figure)
        if "replicates" in own:
            found["replicates"] = _count(f"figures: {figure}: replicates", own["replicates"])
        return PaperScale(**found)


def merged(*parts: Words) -> Words:
    """Return flags without repetition: of several values of one flag, the last."""
    by_name = {word.partition("=")[0]: word for part in parts for word in part}
    return tuple(by_name.values())


def _words(key: str, value: Any) -> Words:
    try:
        words = tuple(shlex.split(_text(key, value)))
    except ValueError as error:
        raise UserError(f"--scale: {key}: {value!r}: {error}") from None
    for word in words:
        if not _FLAG.fullmatch(word):
            raise UserError(f"--scale: {key}: {word!r} must be a flag, written --name=value")
    return words


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"--scale: {key} must be text, not {value!r}")
    return value


def _count(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f"--scale: {key} must be a whole number of at least 1, not {value!r}")
    return value


def _object(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"--scale: {key} must be an object, not {value!r}")
    return value


def _labelled_words(key: str, value: Any) -> dict[str, Words]:
    return {label: _words(f"{key}: {label}", words) for label, words in _object(key, value).items()}


def _larger(key: str, value: Any) -> dict[str, Mapping[str, Words]]:
    return {label: _labelled_words(f"{key}: {label}", words) for label, words in _object(key, value).items()}


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "description": _text,
    "networks": _labelled_words,
    "flags": _words,
    "bayesian": _words,
    "levels": _count,
    "branch_levels": _text,
    "replicates": _count,
    "passes": _count,
    "larger_networks": _larger,
    "learning_rates": _labelled_words,
    "std_learning_rates": _labelled_words,
}


def _check_keys(where: str, value: Mapping[str, Any], valid: Sequence[str]) -> None:
    for key in value:
        if key not in valid:
            raise UserError(f"--scale: {where}{key} is unknown; {one_of(valid)}")


def _chosen(networks: Mapping[str, Words], labels: Any, figure: str) -> dict[str, Words]:
    if not isinstance(labels, list) or not labels or any(label not in list(networks) for label in labels):
        raise UserError(f"--scale: figures: {figure}: networks must be a list of {', '.join(networks)}, not {labels!r}")
    return {label: networks[label] for label in labels}
