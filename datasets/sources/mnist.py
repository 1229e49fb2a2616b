"""Handwritten digits, 28x28."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasets.registry import DATASETS
from datasets.sources.idx import IdxSource

if TYPE_CHECKING:
    from torchvision.datasets import MNIST


@DATASETS.register("mnist")
class Mnist(IdxSource):
    """MNIST, under `<root>/mnist/MNIST/raw` or `<root>/MNIST/raw`."""

    name = "mnist"
    folder = "MNIST"
    mean = (0.1307,)
    std = (0.3081,)

    def torchvision_class(self) -> type[MNIST]:
        """Return torchvision's class."""
        from torchvision.datasets import MNIST

        found: type[MNIST] = MNIST
        return found
