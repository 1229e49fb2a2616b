"""Vision Transformers for 32x32 images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from models.family import ModelFamily, numbers_in, register_family

_PREFIX = "cifar_vit_"
_NAME = re.compile(_PREFIX + r"[1-9]\d{0,2}_[1-9]\d{0,4}_[1-9]\d{0,2}", re.ASCII)
# Size -> (blocks, width, attention heads)
_SIZES: Mapping[str, tuple[int, int, int]] = {"tiny": (12, 192, 3), "small": (12, 384, 6), "base": (12, 768, 12)}


@register_family("cifar_vit")
class CifarVitFamily(ModelFamily):
    """timm's Vision Transformer with 4x4 patches: three sizes with 12 blocks, and any other.

    Every matrix in it is a plain Linear or Conv2d layer. There is no BatchNorm, so `--batchnorm_init` does nothing.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words; the widths of Touvron et al., Training
    Data-Efficient Image Transformers, table 1. The preset is the curriculum of Bayesian Lottery Ticket
    Hypothesis, section 4.
    """

    pattern = (
        "cifar_vit_tiny, cifar_vit_small, cifar_vit_base, "
        "or cifar_vit_D_W_H with D blocks of width W and H attention heads that divide W"
    )
    examples = ("cifar_vit_tiny", "cifar_vit_small", "cifar_vit_base", "cifar_vit_1_32_2")
    image_shape = (3, 32, 32)
    output_layer = "head"
    defaults: ClassVar[Mapping[str, object]] = {
        "dataset_name": "cifar10",
        "batch_size": 128,
        "model_init": "kaiming_uniform",
        "batchnorm_init": "uniform",
        "optimizer_name": "adam",
        "lr": 1e-3,
        "weight_decay": 1e-4,
        "milestone_steps": "80ep,120ep",
        "gamma": 0.1,
        "training_steps": "160ep",
        "pruning_strategy": "sparse_global",
        "pruning_fraction": 0.2,
        "pruning_layers_to_ignore": "head.weight",
    }

    def matches(self, name: str) -> bool:
        """Return whether a name is `cifar_vit` and one of the three sizes, or the numbers of a possible one."""
        return _size(name) is not None

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the Vision Transformer of the size in its name."""
        from timm.models.vision_transformer import VisionTransformer  # slow to import, so only when needed

        size = _size(name)
        assert size is not None
        depth, width, heads = size
        return VisionTransformer(
            img_size=32, patch_size=4, embed_dim=width, depth=depth, num_heads=heads, num_classes=num_classes
        )


def _size(name: str) -> tuple[int, int, int] | None:
    """Return blocks, width and heads of a name, or None if it stands for no network."""
    if _NAME.fullmatch(name):
        depth, width, heads = numbers_in(name)
        return (depth, width, heads) if width % heads == 0 else None
    return _SIZES.get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
