"""Hyperparameters of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from foundations.errors import InvalidValue, one_of
from foundations.hparams import Hparams, hparam
from foundations.registry import Registry
from foundations.step import parse_step, parse_steps
from training.objective import CROSS_ENTROPY, OBJECTIVES

ParameterGroups = list[dict[str, Any]]
"""What torch's optimisers take: dicts with `params` and whatever differs from the defaults."""

OptimizerFactory = Callable[[ParameterGroups, "TrainingHparams"], torch.optim.Optimizer]

OPTIMIZERS: Registry[OptimizerFactory] = Registry("optimizer_name")
"""Filled by `training.optimizers`, whose entries read the hyperparameters below."""

PRECISIONS = ("fp32", "bf16", "fp16")

_GREATEST = 1e30
"""Optimisers compute with these numbers and single precision ends at 3e38."""


@dataclass(frozen=True, kw_only=True)
class TrainingHparams(Hparams):
    """How a network is trained.

    Raises:
        InvalidValue: if a value is invalid, naming the flag.
    """

    title: ClassVar[str] = "Training Hyperparameters"
    about: ClassVar[str] = "How the network is trained. Steps are written 160ep, 500it or 10ep3it."

    optimizer_name: str = hparam("the optimiser", choices=OPTIMIZERS.names)
    lr: float = hparam("the learning rate")
    training_steps: str = hparam("how long to train")
    data_order_seed: int | None = hparam("fixes the order of the data, the same for every replicate and level", None)
    momentum: float = hparam("the momentum of SGD", 0.0)
    nesterov_momentum: float = hparam("Nesterov's momentum of SGD; beside --momentum it only chooses the kind", 0.0)
    milestone_steps: str | None = hparam("when the learning rate is multiplied by gamma, e.g. 80ep,120ep", None)
    gamma: float | None = hparam("what the learning rate is multiplied by at each milestone", None)
    warmup_steps: str | None = hparam("how long the learning rate rises linearly from zero", None)
    weight_decay: float | None = hparam("the L2 penalty on the weights", None)
    apex_fp16: bool = hparam("mixed precision under OpenLTH's name; the same arithmetic as --precision=fp16", False)
    precision: str = hparam("the forward pass's arithmetic", "fp32", PRECISIONS, display_default=False)
    recalibrate_batchnorm: bool = hparam(
        "measure networks that keep the statistics of BatchNorm under such as are recomputed on training images, as "
        "where weights are drawn; training itself stays as it is",
        False,
    )
    objective: str = hparam("the loss that training minimises", CROSS_ENTROPY, OBJECTIVES.names, display_default=False)

    def __post_init__(self) -> None:
        """Check the values."""
        OPTIMIZERS.get(self.optimizer_name)
        OBJECTIVES.get(self.objective)
        for name in ("training_steps", "warmup_steps"):
            self._check_steps(name, several=False)
        self._check_steps("milestone_steps", several=True)
        if not 0 < self.lr <= _GREATEST:
            raise InvalidValue("lr", self.lr, f"must be greater than 0, and no more than {_GREATEST:g}")
        for name in ("momentum", "nesterov_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidValue(name, getattr(self, name), "must be at least 0 and less than 1")
        for name in ("weight_decay", "gamma"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= _GREATEST:
                raise InvalidValue(name, getattr(self, name), f"must not be negative, nor more than {_GREATEST:g}")
        if (self.milestone_steps is None) != (self.gamma is None):
            missing = "gamma" if self.gamma is None else "milestone_steps"
            raise InvalidValue(missing, None, "milestone_steps and gamma are given together or not at all")
        milestones = len(parse_steps(self.milestone_steps)) if self.milestone_steps is not None else 0
        if self.gamma and math.log(self.lr) + milestones * math.log(self.gamma) > math.log(_GREATEST):
            raise InvalidValue("gamma", self.gamma, f"lets the learning rate grow beyond {_GREATEST:g}")
        if self.precision not in PRECISIONS:
            raise InvalidValue("precision", self.precision, one_of(PRECISIONS))

    def _check_steps(self, name: str, several: bool) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            if several:
                parse_steps(value)
            else:
                parse_step(value)
        except ValueError as error:
            raise InvalidValue(name, value, str(error)) from None

    @property
    def arithmetic(self) -> str:
        """The precision in effect, whichever flag asked for it."""
        return "fp16" if self.apex_fp16 else self.precision
