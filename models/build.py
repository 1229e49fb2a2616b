"""From hyperparameters to an initialised network."""

from __future__ import annotations

from torch import Tensor, nn

from foundations.randomness import default_generator_seeded
from models.family import find_family
from models.freezing import freeze
from models.hparams import ModelHparams
from models.initializers import BATCHNORM_INITIALIZERS, INITIALIZERS

_SAFE_CHANNELS = 8
"""From so many input channels on, oneDNN's kernels for 1x1 convolutions with a stride are right."""


def build_network(hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
    """Return the network on the CPU, initialised and with its frozen parts frozen.

    The same hyperparameters, number of classes and seed give the same bits; torch's default generator is left
    as it was.

    Raises:
        InvalidValue: if `others_frozen_exceptions` names a tensor that the network does not have.
    """
    family = find_family(hparams.model_name)
    with default_generator_seeded(seed):
        model = family.build(hparams.model_name, num_classes)
        model.apply(INITIALIZERS.get(hparams.model_init))
        model.apply(BATCHNORM_INITIALIZERS.get(hparams.batchnorm_init))
    if hparams.freezes:
        freeze(model, family, hparams)
    avoid_narrow_strided_pointwise(model)
    return model


def avoid_narrow_strided_pointwise(model: nn.Module) -> None:
    """Let 1x1 convolutions with a stride, over few channels, pick their pixels first; what is computed stays the same.

    On processors with AVX2 but not AVX-512, oneDNN writes beyond the end of the weights' gradient of such layers if
    images are channels_last (seen in torch 2.14.1 and 2.15.0): the process crashes, or worse. Names, shapes and weights
    stay as they are.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and _is_affected(module):
            height, width = module.stride
            module.stride = (1, 1)
            module.register_forward_pre_hook(_Subsample(height, width))


def _is_affected(layer: nn.Conv2d) -> bool:
    is_pointwise = layer.kernel_size == (1, 1) and layer.padding in ((0, 0), "valid")
    return is_pointwise and layer.stride != (1, 1) and layer.in_channels // layer.groups < _SAFE_CHANNELS


class _Subsample:
    """Subsamples a layer's input (B, C, H, W) with the stride."""

    keeps_channels = True
    """Each channel of the output comes from the same one of the input alone."""

    def __init__(self, height: int, width: int) -> None:
        self._height = height
        self._width = width

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        images, *others = inputs
        return images[..., :: self._height, :: self._width], *others
