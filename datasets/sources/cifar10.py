"""CIFAR-10: natural images of ten classes, 32x32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasets.registry import DATASETS
from datasets.sources.cifar import CifarSource

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


@DATASETS.register("cifar10")
class Cifar10(CifarSource):
    """CIFAR-10, under `<root>/cifar10/cifar-10-batches-py` or `<root>/cifar-10-batches-py`."""

    name = "cifar10"
    num_classes = 10
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2023, 0.1994, 0.2010)

    def torchvision_class(self) -> type[CIFAR10]:
        """Return torchvision's class."""
        from torchvision.datasets import CIFAR10

        found: type[CIFAR10] = CIFAR10
        return found
