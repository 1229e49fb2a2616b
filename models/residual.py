"""Residual networks for small images, out of which the CIFAR ResNet families are made."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


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
        residual = functional.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        return functional.relu(residual + self.shortcut(features))


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
        features = functional.relu(self.bn(self.conv(images)))
        features = self.blocks(features).mean((2, 3))  # (B, filters[-1])
        logits: Tensor = self.fc(features)
        return logits
