"""Hyperparameters of pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foundations.errors import InvalidValue
from foundations.hparams import Hparams, hparam


@dataclass(frozen=True, kw_only=True)
class PruningHparams(Hparams):
    """What every pruning strategy has: its name. A strategy's own group adds to this."""

    title: ClassVar[str] = "Pruning Hyperparameters"
    about: ClassVar[str] = "Which weights go after each level."

    pruning_strategy: str = hparam("how the weights to prune are chosen")


@dataclass(frozen=True, kw_only=True)
class GlobalPruningHparams(PruningHparams):
    """Hyperparameters of strategies that rank the weights of all layers together."""

    pruning_fraction: float = hparam("the fraction of the remaining weights that a level prunes", 0.2)
    pruning_layers_to_ignore: str | None = hparam(
        "prunable tensors that are never pruned, separated by commas, e.g. fc.weight", None
    )

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidValue: naming the flag.
        """
        if not 0.0 <= self.pruning_fraction < 1.0:
            raise InvalidValue("pruning_fraction", self.pruning_fraction, "must be at least 0 and less than 1")

    @property
    def ignored(self) -> frozenset[str]:
        """The names of the tensors that are never pruned."""
        return frozenset(filter(None, (self.pruning_layers_to_ignore or "").split(",")))
