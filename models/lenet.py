"""LeNet-300-100 and its relatives: fully connected networks on MNIST's 784 pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from models.family import ModelFamily, numbers_in, register_family

_NAME = re.compile(r"mnist_lenet(_[1-9]\d{0,5})+", re.ASCII)
_PIXELS = 28 * 28


class LeNet(nn.Module):
    """Fully connected layers with ReLU between them.

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition, section III.
    """

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        sizes = [_PIXELS, *widths]
        self.fc_layers = nn.ModuleList(nn.Linear(size, width) for size, width in zip(sizes, widths, strict=False))
        self.fc = nn.Linear(sizes[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 1, 28, 28) to logits (B, num_classes)."""
        features = images.flatten(1)  # (B, 784)
        for layer in self.fc_layers:
            features = functional.relu(layer(features))
        logits: Tensor = self.fc(features)
        return logits


@register_family("mnist_lenet")
class LeNetFamily(ModelFamily):
    """LeNets, named after the widths of their hidden layers."""

    pattern = "mnist_lenet_N1[_N2...] with N1, N2, ... the widths of the hidden layers"
    examples = ("mnist_lenet_300_100", "mnist_lenet_12")
    image_shape = (1, 28, 28)
    output_layer = "fc"
    defaults: ClassVar[Mapping[str, object]] = {
        "dataset_name": "mnist",
        "batch_size": 128,
        "model_init": "kaiming_normal",
        "batchnorm_init": "uniform",
        "optimizer_name": "sgd",
        "lr": 0.1,
        "training_steps": "40ep",
        "pruning_strategy": "sparse_global",
        "pruning_fraction": 0.2,
        "pruning_layers_to_ignore": "fc.weight",
    }

    def matches(self, name: str) -> bool:
        """Return whether a name is `mnist_lenet` and one or more widths."""
        return _NAME.fullmatch(name) is not None

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the LeNet with the widths in its name."""
        return LeNet(numbers_in(name), num_classes)
