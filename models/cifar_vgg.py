"""VGG networks with BatchNorm for CIFAR."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from models.family import ModelFamily, numbers_in, register_family
from models.presets import CIFAR_SGD

_NAME = re.compile(r"cifar_vgg_(11|13|16|19)(_[1-9]\d{0,5})?", re.ASCII)
_WIDTH = 64
_MULTIPLES = (1, 2, 4, 8, 8)
_CONVOLUTIONS: Mapping[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class ConvolutionBlock(nn.Module):
    """A 3x3 convolution with bias, BatchNorm and ReLU."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, kernel_size=3, padding=1)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, inputs, H, W) to (B, filters, H, W)."""
        return functional.relu(self.bn(self.conv(features)))


class CifarVgg(nn.Module):
    """Five groups of convolutions with max pooling between them, an average pool and one linear layer.

    Source: Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, table 1
    (columns A, B, D, E), with one linear layer instead of three.

    Args:
        width: the filters of the first group; the later groups have 2, 4, 8 and 8 times as many.
    """

    def __init__(self, depth: int, width: int, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for group, (multiple, convolutions) in enumerate(zip(_MULTIPLES, _CONVOLUTIONS[depth], strict=True)):
            if group > 0:
                layers.append(nn.MaxPool2d(2))
            for _ in range(convolutions):
                layers.append(ConvolutionBlock(inputs, width * multiple))
                inputs = width * multiple
        # Pooling layers take a number in the state dict's keys.
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, 32, 32) to logits (B, num_classes)."""
        features = functional.avg_pool2d(self.layers(images), 2).flatten(1)  # (B, filters)
        logits: Tensor = self.fc(features)
        return logits


@register_family("cifar_vgg")
class CifarVggFamily(ModelFamily):
    """VGG-11, 13, 16 and 19, and narrower or wider ones."""

    pattern = "cifar_vgg_D[_W] with D = 11, 13, 16 or 19 the depth and W the filters of the first group (64)"
    examples = ("cifar_vgg_11", "cifar_vgg_13", "cifar_vgg_16", "cifar_vgg_19", "cifar_vgg_11_4")
    image_shape = (3, 32, 32)
    output_layer = "fc"
    defaults: ClassVar[Mapping[str, object]] = {**CIFAR_SGD, "pruning_layers_to_ignore": "fc.weight"}

    def matches(self, name: str) -> bool:
        """Return whether a name is `cifar_vgg`, one of the four depths and perhaps a width."""
        return _NAME.fullmatch(name) is not None

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the VGG network of the depth and width in its name."""
        depth, width = [*numbers_in(name), _WIDTH][:2]
        return CifarVgg(depth, width, num_classes)
