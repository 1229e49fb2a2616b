"""The wide ResNet-18 for CIFAR, with 11 million parameters."""

from __future__ import annotations

from torch import nn

from models.family import ModelFamily
from models.presets import CIFAR_SGD
from models.registry import register_family
from models.residual import ResidualNetwork

_NAME = "cifar_resnet_18"


@register_family(_NAME)
class CifarResNet18Family(ModelFamily):
    """ImageNet's ResNet-18 for 32x32 images: a 3x3 stem with stride 1 and no max pooling.

    Source: He et al., Deep Residual Learning for Image Recognition, table 1.
    """

    pattern = _NAME
    examples = (_NAME,)
    image_shape = (3, 32, 32)
    output_layer = "fc"
    defaults = CIFAR_SGD

    def matches(self, name: str) -> bool:
        """Return whether a name is the family's only one."""
        return name == _NAME

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the ResNet-18."""
        return ResidualNetwork([64, 128, 256, 512], 2, num_classes)
