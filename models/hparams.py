"""The hyperparameters that say which network is trained and how it starts."""

from __future__ import annotations

from dataclasses import dataclass

from foundations.hparams import Hparams, hparam
from models.family import find_family
from models.initializers import BATCHNORM_INITIALIZERS, INITIALIZERS


@dataclass(frozen=True, kw_only=True)
class ModelHparams(Hparams):
    """The network, its initialisation, and which of its parts are not trained.

    Raises:
        InvalidValue: if the model or an initialiser is unknown.
    """

    title = "Model Hyperparameters"
    about = "The network, its initialisation, and which of its parts stay as they were initialised."

    model_name: str = hparam("the network, e.g. cifar_resnet_20")
    model_init: str = hparam("the distribution of initial weights", choices=INITIALIZERS.names)
    batchnorm_init: str = hparam("initial BatchNorm weights and biases", choices=BATCHNORM_INITIALIZERS.names)
    batchnorm_frozen: bool = hparam("do not train BatchNorm weights and biases", default=False)
    output_frozen: bool = hparam("do not train the output layer", default=False)
    others_frozen: bool = hparam("do not train anything but BatchNorm and the output layer", default=False)
    others_frozen_exceptions: str | None = hparam(
        "comma-separated names of tensors that others_frozen leaves trainable", default=None
    )

    @property
    def freezes(self) -> bool:
        """Whether parts of the network are not trained."""
        return self.batchnorm_frozen or self.output_frozen or self.others_frozen or bool(self.others_frozen_exceptions)

    def __post_init__(self) -> None:
        find_family(self.model_name)
        INITIALIZERS.get(self.model_init)
        BATCHNORM_INITIALIZERS.get(self.batchnorm_init)
