"""The Bayesian variant: every weight is a normal distribution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors, weights_in_place
from bayesian.conversion import describe_conversion, make_bayesian
from bayesian.diagnostics import posterior_diagnostics, posterior_distances
from bayesian.elbo import Elbo
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import BAYESIAN, IVON, BayesianHparams
from bayesian.ivon import add_state, ivon
from bayesian.posterior import Posterior
from bayesian.prediction import log_probabilities_of_samples
from bayesian.tickets import distribution_state, mean_state, restore_distribution
from foundations.context import Sharing
from foundations.errors import InvalidValue
from foundations.ranks import Ranks
from models import ModelFamily
from pruning import Prunable, PrunableParameter
from training import (
    Diagnostics,
    ImageBatches,
    ModelVariant,
    Objective,
    ParameterGroups,
    PredictionRequest,
    TrainingCircumstances,
    TrainingHparams,
)

_CURRICULUM: Mapping[str, object] = {
    "batch_size": 128,
    "model_init": "torch_default",
    "optimizer_name": "adam",
    "lr": 1e-3,
    "weight_decay": 1e-4,
    "milestone_steps": "80ep,120ep",
    "gamma": 0.1,
    "training_steps": "160ep",
    "pruning_fraction": 0.2,
}


def paper_curriculum(family: ModelFamily) -> Mapping[str, object]:
    """Return the paper's curriculum (section 4) on a family's own data set, whatever the variant and the strategy."""
    return {
        "dataset_name": family.defaults["dataset_name"],
        "batchnorm_init": family.defaults["batchnorm_init"],
        "pruning_layers_to_ignore": f"{family.output_layer}.weight",
        **_CURRICULUM,
    }


class Bayesian(ModelVariant):
    """Mean-field variational networks, whatever the architecture (paper sections 3 and 4)."""

    name = BAYESIAN
    description = "a Bayesian network: every weight is a normal distribution, fitted by variational inference"
    hparams = BayesianHparams
    default_levels = 20  # paper section 5
    objectives = ("cross_entropy",)  # the data fit of the ELBO, which is what training minimises

    def __init__(self, hparams: BayesianHparams) -> None:
        self._hparams = hparams

    @classmethod
    def preset(cls, family: ModelFamily) -> Mapping[str, object]:
        """Return the paper's curriculum, and its score (section 5)."""
        return {**paper_curriculum(family), "pruning_strategy": "sparse_global_snr"}

    def convert(self, model: nn.Module) -> None:
        """Make every weight that can be one a distribution, with the weight as its mean."""
        make_bayesian(model, self._hparams)
        if self._hparams.optimizer == IVON:
            add_state(model)

    def schedule(self) -> dict[str, str]:
        """Return how long the KL temperature rises, if it does."""
        return {} if self._hparams.kl_warmup is None else {f"{self.name}_kl_warmup": self._hparams.kl_warmup}

    def remark(self, model: nn.Module) -> str:
        """Return how much of a network is random."""
        return describe_conversion(model)

    def prunable(self, model: nn.Module) -> Prunable:
        """Return every weight's mean and log std: a pruned one has mean 0 and std 0 (paper section 5)."""
        return {
            tensor.name: (PrunableParameter(tensor.mean, 0.0), PrunableParameter(tensor.log_std, -math.inf))
            for tensor in variational_tensors(model)
            if tensor.is_weight
        }

    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        """Return two groups: weight decay acts on all but log stds, which it would pull towards a std of 1."""
        log_stds = [tensor.log_std for tensor in variational_tensors(model) if tensor.log_std.requires_grad]
        kept_apart = {id(parameter) for parameter in log_stds}
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in kept_apart]
        rate = hparams.lr * self._hparams.std_lr_factor
        return [{"params": others}, {"params": log_stds, "weight_decay": 0.0, "lr": rate}]

    def optimizer(
        self, model: nn.Module, hparams: TrainingHparams, circumstances: TrainingCircumstances
    ) -> torch.optim.Optimizer:
        """Return what `--bayesian_optimizer` chose."""
        if self._hparams.optimizer == IVON:
            return ivon(model, self._hparams, hparams, circumstances)
        return super().optimizer(model, hparams, circumstances)

    def check_sharing(self, sharing: Sharing, ranks: Ranks) -> None:
        """Check that there are enough samples to share, and that their noise is of whole networks.

        Raises:
            InvalidValue: if they cannot be shared in this way.
        """
        if ranks.size == 1:
            return
        local = ESTIMATORS.get(self._hparams.estimator).local_in_linear_layers
        if sharing.split == "samples" and self._hparams.samples < ranks.size:
            text = f"fewer than the {ranks.size} processes that share them"
            raise InvalidValue(f"{BAYESIAN}_samples", self._hparams.samples, text)
        if sharing.split == "samples" and self._hparams.batchnorm == "running":
            text = "with --ranks_split=samples no process sees all samples; valid values are recalibrated, batch"
            raise InvalidValue(f"{BAYESIAN}_batchnorm", self._hparams.batchnorm, text)
        if sharing.split == "samples" and local:
            raise InvalidValue("ranks_split", sharing.split, f"{self._hparams.estimator} draws noise for each example")
        if sharing.noise == "shared" and local:
            raise InvalidValue("ranks_noise", sharing.noise, f"{self._hparams.estimator} draws noise for each example")

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        """Return the tempered ELBO."""
        return Elbo(model, self._hparams, circumstances)

    def diagnostics(self, model: nn.Module) -> Diagnostics:
        """Return the divergence from the prior and the spread of σ, by layer."""
        return posterior_diagnostics(variational_tensors(model), self._hparams.prior_std)

    def sample_log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Iterator[Tensor]:
        """Yield the log of the class probabilities under each sample of all weights."""
        yield from log_probabilities_of_samples(model, self._hparams, request)

    def sampled_weights(self, model: nn.Module, generator: torch.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yield as many draws of all weights as training takes for a batch."""
        posterior = Posterior.of(model)
        for _ in range(self._hparams.samples):
            drawn = [part.clone().requires_grad_() for part in posterior.split(posterior.draw(generator))]
            with weights_in_place(posterior.tensors, drawn):
                yield {tensor.name: value for tensor, value in zip(posterior.tensors, drawn, strict=True)}

    def recompute_statistics(self, model: nn.Module, calibration: ImageBatches) -> None:
        """Recompute the statistics of BatchNorm for the mean weights, if evaluation takes those of training."""
        if self._hparams.batchnorm == "running":
            posterior = Posterior.of(model)
            with posterior.weights(posterior.flat()[0]):
                super().recompute_statistics(model, calibration)

    def distances(self, one: nn.Module, other: nn.Module) -> Mapping[str, float]:
        """Return `l2`, that of the means, and `symmetric_kl`, the mean of both divergences of the posteriors."""
        return posterior_distances(variational_tensors(one), variational_tensors(other))

    def describe(self) -> BayesianHparams:
        """Return the hyperparameters that it was made with."""
        return self._hparams

    def with_evaluation_samples(self, samples: int) -> Bayesian:
        """Return the variant whose predictions average over another number of samples."""
        return Bayesian(replace(self._hparams, evaluation_samples=samples))

    def deterministic_state(self, model: nn.Module, calibration: ImageBatches) -> dict[str, Tensor]:
        """Return the mean network: every weight is its mean.

        Statistics of BatchNorm are recomputed for these weights, unless evaluation takes those of training.
        """
        return mean_state(model, calibration if self._hparams.batchnorm != "running" else None)

    def further_state(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the weights' standard deviations, 0 where pruned, and the statistics of BatchNorm in training."""
        return distribution_state(model)

    def restore(self, model: nn.Module, deterministic: Mapping[str, Tensor], further: Mapping[str, Tensor]) -> None:
        """Give a network a distribution that was taken apart."""
        restore_distribution(model, deterministic, further)
