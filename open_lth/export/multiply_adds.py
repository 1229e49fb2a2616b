"""What one image costs a network: multiply-adds, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models import prunable_layers


@dataclass(frozen=True)
class MultiplyAdds:
    """The multiply-adds of one image.

    Args:
        total: all of them; biases, normalisations, activations and pooling are not counted.
        layers: those of linear and convolutional layers, by name.
    """

    total: int
    layers: Mapping[str, int]

    @property
    def elsewhere(self) -> int:
        """Those in which no layer's weight takes part, such as attention's products of queries and keys."""
        return self.total - sum(self.layers.values())

    def of_kept(self, densities: Mapping[str, float]) -> float:
        """Return how many are left if none is spent on a pruned weight.

        Args:
            densities: the fraction of weights kept, by the weights' names; a weight without one is kept whole.
        """
        return sum(count * densities.get(f"{name}.weight", 1.0) for name, count in self.layers.items())


@torch.no_grad()
def multiply_adds(network: nn.Module, images: Tensor) -> MultiplyAdds:
    """Count the multiply-adds of an image, given as a batch of one, (1, C, H, W).

    Terms that a convolution multiplies by padded zeros count as well.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:  # other ways to attend are not counted on every device
        network(images)
    counts = {name: sum(operations.values()) // 2 for name, operations in counter.get_flop_counts().items()}
    prefix = type(network).__name__
    layers = {name: counts.get(f"{prefix}.{name}", 0) for name in prunable_layers(network)}
    return MultiplyAdds(counts.get("Global", 0), layers)
