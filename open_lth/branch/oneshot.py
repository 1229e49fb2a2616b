"""Pruning in one shot, before or after training, to the density of a level (Frankle et al. 2021)."""

from __future__ import annotations

from torch import nn

from foundations.errors import InvalidValue, one_of
from foundations.messages import LOGGER
from open_lth.branch.base import BRANCHES, Branch
from open_lth.runners.circumstances import circumstances_of
from pruning import (
    STRATEGIES,
    GlobalPruningHparams,
    Mask,
    Strategy,
    check_strategy_fits,
    fraction_to_keep,
    layers_pruned_away,
    prunable_shapes,
    shuffle_mask,
)

_PLACES = ("init", "rewind", "end")
_CONTROLS = ("none", "shuffle", "reinit")


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
        trunk = self.lottery.desc.pruning_hparams
        entry = _strategy(strategy, self.lottery.variant.compatible_variants())
        dense = Mask.ones(prunable_shapes(self.lottery.variant.prunable(model)))
        hparams = GlobalPruningHparams(
            pruning_strategy=strategy,
            pruning_fraction=fraction_to_keep(dense, self.mask().unpruned),
            pruning_layers_to_ignore=getattr(trunk, "pruning_layers_to_ignore", None),
        )
        generator = self.lottery.streams(self.level).generator("pruning")
        mask = entry.prune_in(hparams, model, dense, generator, circumstances_of(self.lottery, self.level))
        if emptied := layers_pruned_away(dense, mask):
            LOGGER.warning("%s: pruned away whole: %s", self.labelled_training().label, ", ".join(emptied))
        return mask


def _strategy(name: str, variants: tuple[str, ...]) -> type[Strategy]:
    try:
        entry = STRATEGIES.get(name)
        check_strategy_fits(name, *variants)
    except InvalidValue as error:
        raise InvalidValue("strategy", name, error.valid) from None
    if not issubclass(GlobalPruningHparams, entry.get_pruning_hparams()):
        raise InvalidValue("strategy", name, "has hyperparameters of its own, which this branch cannot give it")
    return entry
