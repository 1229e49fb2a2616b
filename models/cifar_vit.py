"""Vision Transformers for 32x32 images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from models.family import ModelFamily
from models.registry import register_family

_PREFIX = "cifar_vit_"
# Size -> (width, attention heads)
_SIZES: Mapping[str, tuple[int, int]] = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}


@register_family("cifar_vit")
class CifarVitFamily(ModelFamily):
    """timm's Vision Transformer with 4x4 patches and 12 blocks.

    Every matrix in it is a plain Linear or Conv2d layer. There is no BatchNorm, so `--batchnorm_init` does nothing.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words; the widths of Touvron et al., Training
    Data-Efficient Image Transformers, table 1. The preset is the curriculum of Bayesian Lottery Ticket
    Hypothesis, section 4.
    """

    pattern = "cifar_vit_tiny, cifar_vit_small or cifar_vit_base"
    examples = ("cifar_vit_tiny", "cifar_vit_small", "cifar_vit_base")
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
        """Return whether a name is `cifar_vit` and one of the three sizes."""
        return name.startswith(_PREFIX) and name.removeprefix(_PREFIX) in _SIZES

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the Vision Transformer of the size in its name."""
        from timm.models.vision_transformer import VisionTransformer  # slow to import, so only when needed

        width, heads = _SIZES[name.removeprefix(_PREFIX)]
        return VisionTransformer(
            img_size=32, patch_size=4, embed_dim=width, depth=12, num_heads=heads, num_classes=num_classes
        )
