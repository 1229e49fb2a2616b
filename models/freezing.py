"""Parts of a network that are not trained."""

from __future__ import annotations

from difflib import get_close_matches

from torch import nn

from foundations.errors import InvalidValue
from models.family import ModelFamily
from models.hparams import ModelHparams
from models.tensors import batchnorm_tensor_names, output_tensor_names


def freeze(model: nn.Module, family: ModelFamily, hparams: ModelHparams) -> None:
    """Take the gradient from the parameters of every part that the hyperparameters freeze.

    Raises:
        InvalidValue: if `others_frozen_exceptions` names a tensor that the network does not have, or nothing is left
            to train.
    """
    batchnorm = set(batchnorm_tensor_names(model))
    output = set(output_tensor_names(model, family))
    parameters = dict(model.named_parameters())
    others = parameters.keys() - batchnorm - output - _exceptions(hparams, list(parameters))
    parts = [
        (hparams.batchnorm_frozen, batchnorm),
        (hparams.output_frozen, output),
        (hparams.others_frozen, others),
    ]
    for frozen, names in parts:
        for name in names if frozen else ():
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise InvalidValue("others_frozen", hparams.others_frozen, "every part of the network is frozen")


def _exceptions(hparams: ModelHparams, valid: list[str]) -> set[str]:
    names = hparams.others_frozen_exceptions.split(",") if hparams.others_frozen_exceptions else []
    for name in names:
        if name not in valid:
            similar = ", ".join(get_close_matches(name, valid, n=4, cutoff=0))
            raise InvalidValue("others_frozen_exceptions", name, f"the network has no such tensor, but {similar}")
    return set(names)
