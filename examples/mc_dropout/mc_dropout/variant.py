"""The kind of network: how it is built, pruned, trained and evaluated."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mc_dropout.dropout import add_dropout, default_generators_seeded
from mc_dropout.hparams import MC_DROPOUT, McDropoutHparams
from models import ModelFamily, ModelHparams
from pruning import DETERMINISTIC, Prunable
from training import (
    Deterministic,
    ModelVariant,
    PredictionRequest,
    TrainingCircumstances,
    TrainingHparams,
    VariantHparams,
)
from training.objective import Objective
from training.optimizers import ParameterGroups


class McDropout(ModelVariant):
    """Networks with dropout that stays on in prediction: an approximate Bayesian posterior over the weights.

    All but two things are as in a deterministic network, which does them: `build` adds dropout, and
    `log_probabilities` averages over passes.

    Source: Gal and Ghahramani, Dropout as a Bayesian Approximation (2016).
    """

    name = MC_DROPOUT
    description = "a network with MC dropout: units are dropped at random, in prediction as in training"
    hparams = McDropoutHparams
    # Every weight is a number: what prunes, shuffles or transplants deterministic networks fits these as well.
    weights_like = DETERMINISTIC

    def __init__(self, hparams: McDropoutHparams) -> None:
        self._hparams = hparams
        self._deterministic = Deterministic()

    @classmethod
    def from_hparams(cls, hparams: VariantHparams | None) -> McDropout:
        """Return the kind of network that the hyperparameters describe."""
        assert isinstance(hparams, McDropoutHparams)
        return cls(hparams)

    @classmethod
    def preset(cls, family: ModelFamily) -> Mapping[str, object]:
        """Return the family's own defaults, so that comparisons change dropout alone."""
        return family.defaults

    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        """Return the deterministic network of the same seed, with the same weights, and with dropout."""
        model = self._deterministic.build(hparams, num_classes, seed)
        add_dropout(model, self._hparams.rate)
        return model

    def prunable(self, model: nn.Module) -> Prunable:
        """Return every Linear's and Conv2d's weight."""
        return self._deterministic.prunable(model)

    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        """Return one group: `--weight_decay` is the penalty of equation 1, which stands for the prior."""
        return self._deterministic.parameter_groups(model, hparams)

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        """Return the cross-entropy under one draw of dropout (equation 1; a draw estimates the expectation).

        The training loop seeds torch's generators at every step, so a resumed run draws what it would have drawn.
        """
        return self._deterministic.objective(model, circumstances)

    def log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Tensor:
        """Return the log of the class probabilities averaged over T passes, each with draws of its own (equation 6).

        BatchNorm needs no care: its running averages were taken under dropout, and dropout is still on.
        """
        passes = self._hparams.samples if self._hparams.rate > 0 else 1  # without dropout they would all be the same
        found = (self._one_pass(model, request, index) for index in range(passes))
        return functools.reduce(torch.logaddexp, found) - math.log(passes)

    def _one_pass(self, model: nn.Module, request: PredictionRequest, index: int) -> Tensor:
        # A named stream: equal commands draw equal numbers, and another evaluation (`occasion`) draws others.
        seed = request.streams.seed("mc_dropout", request.occasion, index)
        with default_generators_seeded(seed, next(model.parameters()).device):
            return self._deterministic.log_probabilities(model, request)
