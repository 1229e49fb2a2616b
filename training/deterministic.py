"""The ordinary kind of network: every weight is a number."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models import ModelFamily, ModelHparams, build_network, prunable_tensor_names
from pruning import DETERMINISTIC, Prunable, PrunableParameter
from training.hparams import TrainingHparams
from training.objective import CrossEntropy, Objective
from training.optimizers import ParameterGroups
from training.prediction import logits_of
from training.variant import VARIANTS, ModelVariant, PredictionRequest, TrainingCircumstances, VariantHparams


@VARIANTS.register(DETERMINISTIC)
class Deterministic(ModelVariant):
    """Networks as OpenLTH has them."""

    name = DETERMINISTIC
    description = "every weight is a number"
    hparams = None

    @classmethod
    def from_hparams(cls, hparams: VariantHparams | None) -> Deterministic:
        """Return the one deterministic kind."""
        return cls()

    @classmethod
    def preset(cls, family: ModelFamily) -> Mapping[str, object]:
        """Return the family's own defaults."""
        return family.defaults

    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        """Return the initialised network."""
        return build_network(hparams, num_classes, seed)

    def prunable(self, model: nn.Module) -> Prunable:
        """Return every Linear's and Conv2d's weight."""
        return {name: (PrunableParameter(model.get_parameter(name)),) for name in prunable_tensor_names(model)}

    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        """Return one group of all parameters: weight decay acts on all of them, as in OpenLTH."""
        return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        """Return the cross-entropy."""
        return CrossEntropy(circumstances.exchange.overlapped(model), circumstances.precision)

    @torch.no_grad()
    def log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Tensor:
        """Return the log softmax of one pass; memory is that of one batch and of the result."""
        was_training = model.training
        model.eval()
        with request.precision.autocast():
            logits = logits_of(model, request.images())
        model.train(was_training)
        return logits.log_softmax(dim=1)
