"""What the parts of a scale, each well-formed by itself, must be for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bayesian.hparams import BAYESIAN
from foundations.errors import UserError
from open_lth.flags.levels import read_levels

_OF_BAYESIAN = f"--{BAYESIAN}_"


def check_whole(found: Mapping[str, Any]) -> None:
    """Check the fields of a scale against each other.

    Args:
        found: what `PaperScale` is made of; `networks`, `levels` and `branch_levels` are there.

    Raises:
        UserError: naming what does not fit.
    """
    _check_networks(found)
    _check_bayesian_flags(found)
    _check_branch_levels(found)


def _check_networks(found: Mapping[str, Any]) -> None:
    networks = found["networks"]
    if not networks:
        raise UserError("--scale: networks must have an entry: a name, and the flags of the network")
    for label, larger in found.get("larger_networks", {}).items():
        if label not in networks:
            raise UserError(f"--scale: larger_networks: {label} is none of the networks {', '.join(networks)}")
        if len(larger) != 1:
            raise UserError(f"--scale: larger_networks: {label} must have one larger network, with its flags")
    for label in (*networks, *(label for larger in found.get("larger_networks", {}).values() for label in larger)):
        if ", " in label:  # which parts the columns of a figure from its rows
            raise UserError(f"--scale: the name of a network must not hold ', ', as {label!r} does")


def _check_bayesian_flags(found: Mapping[str, Any]) -> None:
    """Check that flags which only Bayesian networks have stand where no others are given them."""
    larger = (words for networks in found.get("larger_networks", {}).values() for words in networks.values())
    of_all = {
        "flags": [found.get("flags", ())],
        "networks": found["networks"].values(),
        "larger_networks": larger,
        "learning_rates": found.get("learning_rates", {}).values(),
        "std_learning_rates": found.get("std_learning_rates", {}).values(),
    }
    for key, several in of_all.items():
        for name in (word.partition("=")[0] for words in several for word in words):
            if name == f"--{BAYESIAN}":
                raise UserError(f"--scale: {key}: {name} must be left out; each figure has networks of both variants")
            if name.startswith(_OF_BAYESIAN) and key != "std_learning_rates":
                raise UserError(f"--scale: {key}: {name} must stand in bayesian, since other networks do not have it")
    for name in (word.partition("=")[0] for word in found.get("bayesian", ())):
        if not name.startswith(_OF_BAYESIAN):
            raise UserError(f"--scale: bayesian: {name} must be a flag of Bayesian networks alone, {_OF_BAYESIAN}...")


def _check_branch_levels(found: Mapping[str, Any]) -> None:
    text, levels = found["branch_levels"], found["levels"]
    try:
        last = read_levels(text)[-1]
    except UserError:
        raise UserError(
            f"--scale: branch_levels must be levels and ascending ranges of them, e.g. 0-2,5-8,12, not {text!r}"
        ) from None
    if last > levels:
        raise UserError(f"--scale: branch_levels: {text} reaches beyond levels, which is {levels}")
