"""What the strategy that prunes a lottery may ask of it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from foundations.paths import PRETRAIN
from open_lth.runners.lottery import Lottery
from pruning import PruningCircumstances
from training import average_gradient, endless_batches, loss_of, place, probing_loader

_PURPOSE = "pruning"


def circumstances_of(lottery: Lottery, level: int, begun_with: nn.Module | None = None) -> PruningCircumstances:
    """Return what a strategy may ask for when it makes a level's mask.

    Args:
        begun_with: the network with which level 0 begins, if it has not been saved yet.
    """
    run = lottery.training(level)
    loader = functools.cache(lambda: probing_loader(run, _PURPOSE))  # once, however often it is looked at

    def beginning() -> nn.Module:
        return lottery.load_network(0, lottery.desc.start) if begun_with is None else copy.deepcopy(begun_with)

    def initial() -> nn.Module:
        if lottery.desc.pretrain_training_hparams is None:
            return beginning()
        first = lottery.desc.step("0it")
        lottery.check_pretraining_fits(first)  # also before level 0 is trained: then nothing has been for nothing
        return lottery.load_network(PRETRAIN, first) if begun_with is None else beginning()

    def draws(network: nn.Module) -> Iterator[Mapping[str, Tensor]]:
        device = next(network.parameters()).device
        generator = lottery.streams(level).generator(f"{_PURPOSE}_samples", device=device)
        return lottery.variant.sampled_weights(network, generator)

    return PruningCircumstances(
        level=level,
        hparams=lottery.desc.groups(),
        initial_network=initial,
        rewound_network=beginning,
        batches=lambda: endless_batches(loader()),
        gradients=lambda network, batches: average_gradient(run, network, batches, _PURPOSE),
        num_classes=lambda: lottery.desc.num_classes,
        loss=loss_of(lottery.desc.training_hparams.objective, lottery.desc.training_hparams),
        draws=draws,
        on_device=lambda network: place(copy.deepcopy(network), lottery.context),
    )
