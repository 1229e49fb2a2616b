"""torchvision's ResNets for ImageNet, in any width."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from models.family import ModelFamily, numbers_in, register_family

_NAME = re.compile(r"imagenet_resnet_(18|34|50|101|152|200)(_[1-9]\d{0,5})?", re.ASCII)
_WIDTH = 64
_BLOCKS: Mapping[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
_DEEPEST_WITHOUT_BOTTLENECK = 34


class ImageNetResNet(nn.Module):
    """torchvision's ResNet as the submodule `model`.

    Source: He et al., Deep Residual Learning for Image Recognition, table 1; depth 200 from He et al., Identity
    Mappings in Deep Residual Networks, section 4.
    """

    def __init__(self, depth: int, width: int, num_classes: int) -> None:
        super().__init__()
        from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet  # slow to import, so only when needed

        block = BasicBlock if depth <= _DEEPEST_WITHOUT_BOTTLENECK else Bottleneck
        self.model = ResNet(block, list(_BLOCKS[depth]), num_classes)
        if width != _WIDTH:
            # torchvision fixes the stem at 64 filters; its own width option widens the bottlenecks only.
            self.model.inplanes = width
            self.model.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
            self.model.bn1 = nn.BatchNorm2d(width)
            for segment, blocks in enumerate(_BLOCKS[depth]):
                stride = 1 if segment == 0 else 2
                layer = self.model._make_layer(block, width * 2**segment, blocks, stride)
                setattr(self.model, f"layer{segment + 1}", layer)
            self.model.fc = nn.Linear(8 * width * block.expansion, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to logits (B, num_classes)."""
        logits: Tensor = self.model(images)
        return logits


@register_family("imagenet_resnet")
class ImageNetResNetFamily(ModelFamily):
    """ResNet-18 to ResNet-200 with W, 2W, 4W and 8W filters.

    The preset is that of Goyal et al., Accurate, Large Minibatch SGD, section 5.1, at batch size 1024.
    """

    pattern = "imagenet_resnet_D[_W] with D = 18, 34, 50, 101, 152 or 200 and W the width (64)"
    examples = ("imagenet_resnet_18", "imagenet_resnet_18_8", "imagenet_resnet_50", "imagenet_resnet_200")
    image_shape = (3, None, None)
    output_layer = "model.fc"
    defaults: ClassVar[Mapping[str, object]] = {
        "dataset_name": "imagenet",
        "batch_size": 1024,
        "model_init": "kaiming_normal",
        "batchnorm_init": "uniform",
        "optimizer_name": "sgd",
        "lr": 0.4,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "milestone_steps": "30ep,60ep,80ep",
        "gamma": 0.1,
        "training_steps": "90ep",
        "warmup_steps": "5ep",
        "pruning_strategy": "sparse_global",
        "pruning_fraction": 0.2,
    }

    def matches(self, name: str) -> bool:
        """Return whether a name is `imagenet_resnet`, one of the six depths and perhaps a width."""
        return _NAME.fullmatch(name) is not None

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the ResNet of the depth and width in its name."""
        depth, width = [*numbers_in(name), _WIDTH][:2]
        return ImageNetResNet(depth, width, num_classes)
