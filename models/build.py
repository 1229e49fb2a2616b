"""From hyperparameters to an initialised network."""

from __future__ import annotations

from torch import nn

from foundations.randomness import default_generator_seeded
from models.family import find_family
from models.freezing import freeze
from models.hparams import ModelHparams
from models.initializers import BATCHNORM_INITIALIZERS, INITIALIZERS
from models.strided_pointwise import avoid_narrow_strided_pointwise


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
