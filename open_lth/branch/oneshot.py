"""Pruning in one shot, before or after training, to the density of a level (Frankle et al. 2021)."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import Any

from torch import nn

from foundations.errors import InvalidValue, one_of
from foundations.extension import extended
from foundations.messages import LOGGER
from open_lth.branch.base import BRANCHES, Branch
from open_lth.runners.circumstances import circumstances_of
from pruning import (
    STRATEGIES,
    Mask,
    PruningHparams,
    Strategy,
    check_strategy_fits,
    layers_pruned_away,
    prunable_shapes,
    prune_to_keep,
    shuffle_mask,
)

_PLACES = ("init", "rewind", "end")
_CONTROLS = ("none", "shuffle", "reinit")

_WORTH_SAYING = 0.01
"""Weights too many or too few, as a share of the level's, from which on they are said."""


@BRANCHES.register("oneshot")
class OneShot(Branch):
    """Makes a mask as dense as the level's at once, from the dense network, and trains its first weights under it."""

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "oneshot"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "prune the dense network to the level's density at once, before or after its training"

    def branch_function(self, strategy: str, prune_at: str = "init", control: str = "none", seed: int = 0) -> None:
        """Train under a mask that one pruning of the dense network gives.

        Tensors that the trunk never prunes are not pruned here either. "Pruning Neural Networks at Initialization: Why
        Are We Missing the Mark?" (Frankle et al. 2021) compares each method with both controls.

        Args:
            strategy: what chooses the weights, one of those of --pruning_strategy, such as sparse_snip.
            prune_at: the weights of the dense network that are judged: init, rewind or end (trained ones).
            control: none, shuffle (the mask, within each layer) or reinit (new weights under the mask).
            seed: what the shuffled mask is drawn by.
        """
        for flag, value, valid in (("prune_at", prune_at, _PLACES), ("control", control, _CONTROLS)):
            if value not in valid:
                raise InvalidValue(flag, value, one_of(valid, value))
        mask, start = self._pruned(strategy, self._judged(prune_at)), self.lottery.desc.start
        if control == "shuffle":
            mask = shuffle_mask(mask, "layerwise", seed)
        if control == "reinit":
            model = self.lottery.new_network(self.lottery.streams(self.level).seed("reinitialized_weights"))
        else:
            model = self.load_network(0, start)
        self.train(model, mask, start)

    def _judged(self, prune_at: str) -> nn.Module:
        desc = self.lottery.desc
        steps = {"init": desc.step("0it"), "rewind": desc.start, "end": self.training().end}
        return self.load_network(0, steps[prune_at])

    def _pruned(self, strategy: str, model: nn.Module) -> Mask:
        entry = _strategy(strategy, self.lottery.variant.compatible_variants())
        hparams = _hparams(strategy, entry, self.lottery.desc.pruning_hparams)
        dense = Mask.ones(prunable_shapes(self.lottery.variant.prunable(model)))
        circumstances, label = circumstances_of(self.lottery, self.level), self.labelled_training().label

        def prune(fraction: float) -> Mask:
            generator = self.lottery.streams(self.level).generator("pruning")
            own = replace(hparams, pruning_fraction=fraction)
            return entry.prune_in(own, model, dense, generator, circumstances)

        keep = self.mask().unpruned
        mask = prune_to_keep(dense, keep, prune)
        if abs(mask.unpruned - keep) > _WORTH_SAYING * keep:
            found, wanted = (f"{100 * count / dense.total:.2f} %" for count in (mask.unpruned, keep))
            LOGGER.warning("%s: %s keeps %s of the weights, the level %s", label, strategy, found, wanted)
        if emptied := layers_pruned_away(dense, mask):
            LOGGER.warning("%s: pruned away whole: %s", label, ", ".join(emptied))
        return mask


def _strategy(name: str, variants: tuple[str, ...]) -> type[Strategy]:
    try:
        entry = STRATEGIES.get(name)
        check_strategy_fits(name, *variants)
    except InvalidValue as error:
        raise InvalidValue("strategy", name, error.valid) from None
    return entry


def _hparams(strategy: str, entry: type[Strategy], trunk: PruningHparams) -> Any:
    """Return a strategy's hyperparameters: the trunk's where it has them, else their defaults.

    Raises:
        InvalidValue: if there is neither, or no fraction by which a density can be had.
    """
    group = extended(entry.get_pruning_hparams())
    own = {f.name: f for f in fields(group)}
    values = {f.name: getattr(trunk, f.name) for f in fields(trunk) if f.name in own}
    if missing := [name for name, f in own.items() if f.default is MISSING and name not in values]:
        raise InvalidValue("strategy", strategy, f"needs --{missing[0]}, which the trunk does not have")
    if "pruning_fraction" not in own:
        raise InvalidValue("strategy", strategy, "has no --pruning_fraction by which it could be as dense as a level")
    return group(**{**values, "pruning_strategy": strategy})
