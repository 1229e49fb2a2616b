"""The hyperparameters: a group that is there only with `--mc_dropout`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from foundations.errors import InvalidValue
from foundations.hparams import hparam
from training import VariantHparams, constant_name

MC_DROPOUT = "mc_dropout"


@dataclass(frozen=True, kw_only=True)
class McDropoutHparams(VariantHparams):
    """How often units are dropped, and over how many passes a prediction averages.

    Every field becomes a flag: `rate` is `--mc_dropout_rate`. The group enters the hash that names an experiment only
    if the variant was asked for, so no other experiment changes its name.

    Raises:
        InvalidValue: if a value is invalid; the message names the flag.
    """

    title: ClassVar[str] = "MC Dropout Hyperparameters"
    about: ClassVar[str] = "Dropout in training and in prediction (Gal and Ghahramani 2016)."

    variant_name: str = constant_name(MC_DROPOUT)
    rate: float = hparam("the probability with which a unit is dropped", 0.1)
    samples: int = hparam("the stochastic passes that a prediction averages over", 10)

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 <= self.rate < 1:
            raise InvalidValue("rate", self.rate, "must be at least 0 and less than 1")
        if self.samples < 1:
            raise InvalidValue("samples", self.samples, "must be at least 1")
