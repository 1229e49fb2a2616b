"""CIFAR-100: natural images of a hundred classes, 32x32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datasets.registry import DATASETS
from datasets.sources.cifar import CifarSource

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


@DATASETS.register("cifar100")
class Cifar100(CifarSource):
    """CIFAR-100, under `<root>/cifar100/cifar-100-python` or `<root>/cifar-100-python`."""

    name = "cifar100"
    num_classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)

    def torchvision_class(self) -> type[CIFAR10]:
        """Return torchvision's class."""
        from torchvision.datasets import CIFAR100

        found: type[CIFAR10] = CIFAR100
        return found
