"""Residual networks for CIFAR: the thin, deep ones, and the wide ResNet-18 with 11 million parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from models.family import ModelFamily, numbers_in, register_family
from models.presets import CIFAR_SGD

_NAME = re.compile(r"cifar_resnet_([1-9]\d{0,5})(_[1-9]\d{0,5})?", re.ASCII)
_WIDTH = 16


class Block(nn.Module):
    """Two 3x3 convolutions around which the input is added back.

    Where the shape changes, a 1x1 convolution with BatchNorm takes the input along (He et al., Deep Residual
    Learning for Image Recognition, section 3.3, option B).
    """

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != filters:
            projection = nn.Conv2d(inputs, filters, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(filters))

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, inputs, H, W) to (B, filters, H / stride, W / stride)."""
        residual = F.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        return F.relu(residual + self.shortcut(features))


class ResidualNetwork(nn.Module):
    """A 3x3 stem without max pooling, segments of blocks that halve the image, a global average and a linear layer.

    Args:
        filters: the number of filters of each segment; the stem has those of the first.
        blocks_per_segment: the number of blocks in every segment.
    """

    def __init__(self, filters: Sequence[int], blocks_per_segment: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, filters[0], kernel_size=3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(filters[0])
        outputs = [width for width in filters for _ in range(blocks_per_segment)]
        inputs = [filters[0], *outputs[:-1]]
        strides = [
            2 if segment > 0 and block == 0 else 1
            for segment in range(len(filters))
            for block in range(blocks_per_segment)
        ]
        self.blocks = nn.Sequential(*map(Block, inputs, outputs, strides))
        self.fc = nn.Linear(filters[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to logits (B, num_classes)."""
        features = F.relu(self.bn(self.conv(images)))
        features = self.blocks(features).mean((2, 3))  # (B, filters[-1])
        logits: Tensor = self.fc(features)
        return logits


@register_family("cifar_resnet")
class CifarResNetFamily(ModelFamily):
    """ResNets of depth D = 6n + 2 with W, 2W and 4W filters in segments of n blocks.

    Source: He et al., Deep Residual Learning for Image Recognition, section 4.2.
    """

    pattern = "cifar_resnet_D[_W] with D = 6n+2 the depth (8, 14, 20, ...) and W the width (16)"
    examples = ("cifar_resnet_20", "cifar_resnet_8_4", "cifar_resnet_110")
    image_shape = (3, 32, 32)
    output_layer = "fc"
    defaults = CIFAR_SGD

    def matches(self, name: str) -> bool:
        """Return whether a name is `cifar_resnet`, a depth that is possible and perhaps a width."""
        match = _NAME.fullmatch(name)
        return match is not None and int(match[1]) > 2 and int(match[1]) % 6 == 2

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the ResNet of the depth and width in its name."""
        depth, width = [*numbers_in(name), _WIDTH][:2]
        return ResidualNetwork([width, 2 * width, 4 * width], (depth - 2) // 6, num_classes)


@register_family("cifar_resnet_18")
class CifarResNet18Family(ModelFamily):
    """ImageNet's ResNet-18 for 32x32 images: a 3x3 stem with stride 1 and no max pooling.

    Source: He et al., Deep Residual Learning for Image Recognition, table 1.
    """

    pattern = "cifar_resnet_18"
    examples = ("cifar_resnet_18",)
    image_shape = (3, 32, 32)
    output_layer = "fc"
    defaults = CIFAR_SGD

    def matches(self, name: str) -> bool:
        """Return whether a name is the family's only one."""
        return name == self.pattern

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the ResNet-18."""
        return ResidualNetwork([64, 128, 256, 512], 2, num_classes)
