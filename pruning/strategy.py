"""Pruning strategies with their hyperparameters, by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from foundations.errors import InvalidValue
from foundations.hparams import Hparams, hparam
from foundations.registry import Registry
from pruning.circumstances import PruningCircumstances
from pruning.mask import Mask

DETERMINISTIC = "deterministic"


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


class Strategy(ABC):
    """How the next level's mask is made from a trained network: the extension point of pruning."""

    description: ClassVar[str] = ""
    variants: ClassVar[tuple[str, ...]] = (DETERMINISTIC,)
    """The variants whose weights it can judge; empty means all."""

    @staticmethod
    @abstractmethod
    def get_pruning_hparams() -> type[PruningHparams]:
        """Return the class of its hyperparameters."""

    @staticmethod
    @abstractmethod
    def prune(
        pruning_hparams: PruningHparams, trained_model: nn.Module, current_mask: Mask, generator: torch.Generator
    ) -> Mask:
        """Return the next mask.

        Args:
            trained_model: the network at the end of training, pruned weights included as zeros.
            current_mask: the mask under which it was trained.
            generator: where anything random comes from.
        """

    @classmethod
    def prune_in(
        cls,
        pruning_hparams: PruningHparams,
        trained_model: nn.Module,
        current_mask: Mask,
        generator: torch.Generator,
        lottery: PruningCircumstances,
    ) -> Mask:
        """Return the next mask; a strategy that looks at more than the trained network overrides this.

        Args:
            lottery: gives training data, gradients, and the initial and the rewound network.
        """
        return cls.prune(pruning_hparams, trained_model, current_mask, generator)

    @staticmethod
    def remark(
        pruning_hparams: PruningHparams, trained_model: nn.Module, current_mask: Mask, next_mask: Mask
    ) -> list[str]:
        """Return what a reader of the results should know of how the next mask came about, line by line."""
        return []


STRATEGIES: Registry[type[Strategy]] = Registry("pruning_strategy")


def check_strategy_fits(name: str, variant: str, *also: str) -> None:
    """Check that a strategy can judge the weights of a variant.

    Args:
        also: other variants whose weights are as this one's.

    Raises:
        InvalidValue: if it cannot; the message lists the strategies that can.
    """
    strategy, variants = STRATEGIES.get(name), {variant, *also}
    if strategy.variants and variants.isdisjoint(strategy.variants):
        fitting = [other for other, entry in STRATEGIES.items() if not entry.variants or variants & {*entry.variants}]
        raise InvalidValue(
            "pruning_strategy",
            name,
            f"is for {' or '.join(strategy.variants)} networks; "
            f"valid values for a {variant} network are {', '.join(fitting)}",
        )
