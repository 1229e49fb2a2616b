"""Hyperparameters of Bayesian networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bayesian.estimators import ESTIMATORS
from foundations.errors import InvalidValue, one_of
from foundations.hparams import hparam
from foundations.step import Step, parse_step
from training import VariantHparams, constant_name

BAYESIAN = "bayesian"

BATCHNORM_MODES = ("recalibrated", "batch", "running")
PARTIAL = ("allow", "refuse")
LOSS_SCALES = ("mean", "sum")
BAYES_BY_BACKPROP, IVON = "bayes_by_backprop", "ivon"
OPTIMIZERS = (BAYES_BY_BACKPROP, IVON)
LIKELIHOODS = ("expected", "predictive")
INIT_SCALES: Mapping[str, Callable[[int], float]] = {
    "torch_blue": lambda fan_in: 1 / math.sqrt(fan_in) + 1e-5,
    "kaiming": lambda fan_in: 1 / math.sqrt(3 * fan_in),
}
"""From a layer's fan-in to the unit of its initial standard deviations."""

_GREATEST = 1e6
"""Products of these numbers with each other and the learning rate stay within single precision."""

_LEAST = 1e-30
"""Smaller numbers vanish in single precision once they are scaled by fan-in."""


@dataclass(frozen=True, kw_only=True)
class BayesianHparams(VariantHparams):
    """How the weights' distribution starts, is sampled and is held near its prior.

    Raises:
        InvalidValue: if a value is invalid, naming the flag.
    """

    title: ClassVar[str] = "Bayesian Hyperparameters"
    about: ClassVar[str] = "The variational distribution of the weights, how it is sampled and what it is fitted to."

    variant_name: str = constant_name(BAYESIAN)
    samples: int = hparam("samples of all weights for each batch, in training and in evaluation", 10)
    evaluation_samples: int | None = hparam(
        "samples in evaluation, where it should not be as many as in training", None
    )
    kl_temperature: float = hparam("the factor T on the KL divergence from the prior", 0.1)
    prior_std: float = hparam(
        "standard deviation of the prior of every weight, whose mean is 0", 1.0, display_default=False
    )
    init_std: float = hparam("initial standard deviation, in units of the scale that --bayesian_init_scale names", 0.01)
    init_scale: str = hparam(
        "the unit of the initial standard deviation: torch_blue (its own, and the paper's: 1/sqrt(fan_in) + 1e-5) or "
        "kaiming (1/sqrt(3 fan_in), what runs had that were named before there was a choice)",
        "torch_blue",
        unnamed="kaiming",
    )
    estimator: str = hparam("how samples are drawn in training", "weights", choices=ESTIMATORS.names)
    likelihood: str = hparam(
        "the data's part of the loss: expected (the mean over samples of the log probability, as in the ELBO) or "
        "predictive (the log of the mean probability)",
        "expected",
    )
    batchnorm: str = hparam(
        "statistics of BatchNorm in evaluation: recalibrated (for each sample, on training images), batch (the test "
        "batch's own) or running (averages over training)",
        "recalibrated",
    )
    kl_warmup: str | None = hparam(
        "how long T rises linearly from zero at the start of every training, e.g. 10ep", None
    )
    std_lr_factor: float = hparam("the learning rate of log std, relative to that of the means", 1.0)

    loss_scale: str = hparam(
        "what the gradients are of: mean (the loss of an example, beside which weight decay acts) or sum (of all "
        "training examples, as in torch-blue; under Adam weight decay is then next to nothing)",
        "mean",
        choices=LOSS_SCALES,
        display_default=False,
    )

    partial: str = hparam(
        "what becomes of parameters that no converted layer has, such as those of recurrent layers: allow (they stay "
        "deterministic, and are named) or refuse; normalisation stays deterministic in any case",
        "allow",
        display_default=False,
    )

    optimizer: str = hparam(
        "how the distribution is fitted: bayes_by_backprop (means and log stds by --optimizer_name) or ivon (natural "
        "gradients, for which one sample a step is enough; --optimizer_name and --lr are then for what is not random)",
        BAYES_BY_BACKPROP,
        choices=OPTIMIZERS,
        display_default=False,
    )
    ivon_lr: float = hparam(
        "the learning rate of IVON, in place of --lr, with the same milestones", 0.1, display_default=False
    )
    ivon_beta1: float = hparam("how much of the momentum of IVON is kept at a step", 0.9, display_default=False)
    ivon_beta2: float | None = hparam(
        "how much of the Hessian of IVON is kept at a step (default: 1 - 5 / the number of steps, at least 0.9)", None
    )

    def __post_init__(self) -> None:
        """Check the values."""
        self._check_optimizer()
        for name in ("samples", "evaluation_samples"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InvalidValue(name, getattr(self, name), "must be at least 1")
        if self.estimator not in ESTIMATORS:
            raise InvalidValue("estimator", self.estimator, one_of(ESTIMATORS.names()))
        multiple = ESTIMATORS.get(self.estimator).multiple
        if self.samples % multiple:
            raise InvalidValue("samples", self.samples, f"must be a multiple of {multiple} for {self.estimator}")
        if not 0 <= self.kl_temperature <= _GREATEST:
            raise InvalidValue("kl_temperature", self.kl_temperature, f"must not be negative, nor over {_GREATEST:g}")
        if self.kl_warmup is not None:
            try:
                parse_step(self.kl_warmup)
            except ValueError as error:
                raise InvalidValue("kl_warmup", self.kl_warmup, str(error)) from None
        for name in ("init_std", "std_lr_factor"):
            if not _LEAST <= getattr(self, name) <= _GREATEST:
                least = f"must be greater than 0 (at least {_LEAST:g}), and no more than {_GREATEST:g}"
                raise InvalidValue(name, getattr(self, name), least)
        if not 1 / _GREATEST <= self.prior_std <= _GREATEST:
            text = f"must be at least {1 / _GREATEST:g}, and no more than {_GREATEST:g}"
            raise InvalidValue("prior_std", self.prior_std, text)
        for name, valid in (
            ("batchnorm", BATCHNORM_MODES),
            ("likelihood", LIKELIHOODS),
            ("init_scale", tuple(INIT_SCALES)),
            ("partial", PARTIAL),
            ("loss_scale", LOSS_SCALES),
        ):
            if getattr(self, name) not in valid:
                raise InvalidValue(name, getattr(self, name), one_of(valid))

    def _check_optimizer(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise InvalidValue("optimizer", self.optimizer, one_of(OPTIMIZERS))
        if not 0 < self.ivon_lr <= _GREATEST:
            raise InvalidValue("ivon_lr", self.ivon_lr, f"must be greater than 0, and no more than {_GREATEST:g}")
        for name in ("ivon_beta1", "ivon_beta2"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise InvalidValue(name, getattr(self, name), "must be at least 0 and less than 1")
        # In IVON T says how wide the posterior is, not only how much the divergence weighs.
        if self.optimizer == IVON and not self.kl_temperature > 0:
            raise InvalidValue("kl_temperature", self.kl_temperature, "must be greater than 0 for ivon")
        others = {IVON: ("kl_warmup", "std_lr_factor", "loss_scale")}
        for name in others.get(self.optimizer, ("ivon_lr", "ivon_beta1", "ivon_beta2")):
            if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                text = f"has no meaning for --{BAYESIAN}_optimizer={self.optimizer}"
                raise InvalidValue(name, getattr(self, name), text)

    def kl_temperature_at(self, step: Step) -> float:
        """Return the factor on the KL divergence at a step."""
        if self.kl_warmup is None:
            return self.kl_temperature
        risen = Step.from_str(self.kl_warmup, step.iterations_per_epoch).iteration
        return self.kl_temperature * (min(1.0, step.iteration / risen) if risen else 1.0)

    def initial_std(self, fan_in: int) -> float:
        """Return the standard deviation with which the weights and biases of a layer start (paper section 4: 1 %)."""
        return self.init_std * INIT_SCALES[self.init_scale](fan_in)

    @property
    def samples_in_evaluation(self) -> int:
        """The number of samples that a prediction averages over."""
        return self.samples if self.evaluation_samples is None else self.evaluation_samples
