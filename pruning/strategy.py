"""Pruning strategies with their hyperparameters, by name."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from foundations.errors import InvalidValue, UserError
from foundations.hparams import Hparams, hparam
from foundations.registry import Registry
from pruning.circumstances import PruningCircumstances
from pruning.mask import Mask
from pruning.selection import prune_lowest_globally

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

Score = Callable[..., dict[str, Tensor]]
"""(trained network, current mask, generator) -> a score for every prunable weight; the lowest are pruned.

A score that takes a fourth argument is given the `PruningCircumstances`.
"""

_WITHOUT_LOTTERY = 3
"""Arguments of a score that does not ask for the lottery."""

Select = Callable[[Mapping[str, Tensor], Mask, float, Collection[str]], Mask]
"""(scores, current mask, fraction to prune, names of tensors that keep their mask) -> next mask."""

PruneBy = Callable[[Mapping[str, Tensor]], Mask]
"""Makes the mask that other scores would have led to."""

Remark = Callable[[nn.Module, Mask, Mask, PruneBy], list[str]]
"""(trained network, current mask, next mask, how to prune by other scores) -> lines for the reader."""


def register_global_strategy(
    name: str,
    description: str,
    score: Score,
    variants: tuple[str, ...],
    remark: Remark | None = None,
    select: Select = prune_lowest_globally,
) -> None:
    """Register a strategy that prunes the lowest scores, of all layers together unless it is told otherwise.

    Args:
        name: its name on the command line.
        score: what ranks the weights.
        variants: the variants that the score understands; empty means all.
        remark: what to say of a mask, if anything.
        select: makes the next mask of the scores.
    """
    takes_lottery = len(inspect.signature(score).parameters) > _WITHOUT_LOTTERY

    def chosen(pruning_hparams: PruningHparams, current_mask: Mask, scores: dict[str, Tensor]) -> Mask:
        assert isinstance(pruning_hparams, GlobalPruningHparams)
        _check_scores(name, scores, current_mask)
        return select(scores, current_mask, pruning_hparams.pruning_fraction, pruning_hparams.ignored)

    class GlobalStrategy(Strategy):
        @staticmethod
        def get_pruning_hparams() -> type[PruningHparams]:
            return GlobalPruningHparams

        @staticmethod
        def prune(
            pruning_hparams: PruningHparams, trained_model: nn.Module, current_mask: Mask, generator: torch.Generator
        ) -> Mask:
            if takes_lottery:
                raise UserError(f"--pruning_strategy={name}: looks at the lottery, without which it cannot prune")
            return chosen(pruning_hparams, current_mask, score(trained_model, current_mask, generator))

        @classmethod
        def prune_in(
            cls,
            pruning_hparams: PruningHparams,
            trained_model: nn.Module,
            current_mask: Mask,
            generator: torch.Generator,
            lottery: PruningCircumstances,
        ) -> Mask:
            more = (lottery,) if takes_lottery else ()
            return chosen(pruning_hparams, current_mask, score(trained_model, current_mask, generator, *more))

        @staticmethod
        def remark(
            pruning_hparams: PruningHparams, trained_model: nn.Module, current_mask: Mask, next_mask: Mask
        ) -> list[str]:
            assert isinstance(pruning_hparams, GlobalPruningHparams)
            fraction, ignored = pruning_hparams.pruning_fraction, pruning_hparams.ignored

            def prune_by(scores: Mapping[str, Tensor]) -> Mask:
                return select(scores, current_mask, fraction, ignored)

            return [] if remark is None else remark(trained_model, current_mask, next_mask, prune_by)

    GlobalStrategy.description = description
    GlobalStrategy.variants = variants
    STRATEGIES.register(name)(GlobalStrategy)


def _check_scores(strategy: str, scores: object, mask: Mask) -> None:
    """Check that a score has given one for every weight.

    Raises:
        UserError: naming the strategy and the tensor for which it has not.
    """
    for name, tensor in mask.items():
        own = scores.get(name) if isinstance(scores, Mapping) else scores
        if not isinstance(own, Tensor) or own.shape != tensor.shape:
            found = f"a tensor of shape {tuple(own.shape)}" if isinstance(own, Tensor) else type(own).__name__
            raise UserError(
                f"--pruning_strategy={strategy}: its score must give {name} a tensor of shape {tuple(tensor.shape)}, "
                f"not {found}"
            )


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
