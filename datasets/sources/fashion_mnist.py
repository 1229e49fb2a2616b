"""Pieces of clothing, 28x28."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasets.registry import DATASETS
from datasets.sources.idx import IdxSource

if TYPE_CHECKING:
    from torchvision.datasets import MNIST


@DATASETS.register("fashion_mnist")
class FashionMnist(IdxSource):
    """Fashion-MNIST, under `<root>/fashion_mnist/FashionMNIST/raw` or `<root>/FashionMNIST/raw`."""

    name = "fashion_mnist"
    folder = "FashionMNIST"
    hint = " (Debian's package dataset-fashion-mnist holds them)"
    mean = (0.2860,)
    std = (0.3530,)

    def torchvision_class(self) -> type[MNIST]:
        """Return torchvision's class."""
        from torchvision.datasets import FashionMNIST

        found: type[MNIST] = FashionMNIST
        return found
