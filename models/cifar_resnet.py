"""The thin, deep ResNets for CIFAR."""

from __future__ import annotations

import re

from torch import nn

from models.family import ModelFamily, numbers_in
from models.presets import CIFAR_SGD
from models.registry import register_family
from models.residual import ResidualNetwork

_NAME = re.compile(r"cifar_resnet_([1-9]\d{0,5})(_[1-9]\d{0,5})?", re.ASCII)
_WIDTH = 16


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
