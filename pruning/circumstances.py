"""What a pruning strategy may ask of the lottery that it prunes, besides the trained network and its mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from foundations.hparams import Hparams


@dataclass(frozen=True)
class PruningCircumstances:
    """The lottery, as far as a strategy may want to know it; nothing is loaded before it is asked for.

    Args:
        level: the level whose mask is to be made.
        hparams: the lottery's groups of hyperparameters, by name.
        initial_network: gives the network before any training, pretraining included.
        rewound_network: gives the network to which every level is rewound; the initial one, unless that is later.
        batches: gives batches of training data (images, labels), on the device, without an end, the same ones at every
            call.
        gradients: gives, for a network and a number of these batches, the gradient of what training minimises, by
            parameter, averaged over the batches, on the CPU; of a stochastic network in expectation over samples.
    """

    level: int
    hparams: Mapping[str, Hparams]
    initial_network: Callable[[], nn.Module]
    rewound_network: Callable[[], nn.Module]
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]
    gradients: Callable[[nn.Module, int], Mapping[str, Tensor]]
