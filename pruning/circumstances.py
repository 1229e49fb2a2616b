"""What a pruning strategy may ask of the lottery that it prunes, besides the trained network and its mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
        num_classes: gives the number of classes in the data.
        loss: from a network, or what stands for its forward pass, images and labels to the mean loss of `--objective`.
        draws: gives, for a network on the device, its weights and biases by name, once for each draw of them; the same
            ones at every call. The network computes with them, and gradients reach them.
        on_device: gives a copy of a network where the batches are.
    """

    level: int
    hparams: Mapping[str, Hparams]
    initial_network: Callable[[], nn.Module]
    rewound_network: Callable[[], nn.Module]
    batches: Callable[[], Iterator[tuple[Tensor, Tensor]]]
    gradients: Callable[[nn.Module, int], Mapping[str, Tensor]]
    num_classes: Callable[[], int]
    loss: Callable[[Any, Tensor, Tensor], Tensor]
    draws: Callable[[nn.Module], Iterator[Mapping[str, Tensor]]]
    on_device: Callable[[nn.Module], nn.Module]
