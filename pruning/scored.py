"""Strategies that are made of a score: the weights that score lowest are pruned."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from foundations.errors import UserError
from pruning.circumstances import PruningCircumstances
from pruning.mask import Mask
from pruning.selection import fraction_to_keep, prune_lowest_globally, remaining_after
from pruning.strategy import STRATEGIES, GlobalPruningHparams, PruningHparams, Strategy

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
    rounds: int = 1,
) -> None:
    """Register a strategy that prunes the lowest scores, of all layers together unless it is told otherwise.

    Args:
        name: its name on the command line.
        score: what ranks the weights.
        variants: the variants that the score understands; empty means all.
        remark: what to say of a mask, if anything.
        select: makes the next mask of the scores.
        rounds: in how many steps a level prunes as many weights in all; each keeps the same fraction, by new scores.
            With more than one the score has to ask for the lottery, and weights of all layers go together.
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

            def pruned(hparams: PruningHparams, mask: Mask) -> Mask:
                return chosen(hparams, mask, score(trained_model, mask, generator, *more))

            if rounds == 1:
                return pruned(pruning_hparams, current_mask)
            assert isinstance(pruning_hparams, GlobalPruningHparams)
            first = current_mask.unpruned
            last = remaining_after(current_mask, pruning_hparams.pruning_fraction, pruning_hparams.ignored)
            mask = current_mask
            for number in range(1, rounds + 1):
                wanted = max(round(first * (last / first) ** (number / rounds)), last)
                if wanted < mask.unpruned:
                    mask = pruned(replace(pruning_hparams, pruning_fraction=fraction_to_keep(mask, wanted)), mask)
            return mask

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
