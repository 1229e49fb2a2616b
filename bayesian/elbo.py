"""The evidence lower bound, tempered, and its gradient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bayesian.divergence import divergence_from_prior
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import IVON, BayesianHparams
from bayesian.noise import NoiseRequest
from bayesian.passes import SampledWeights, SampleGradients, SamplePasses
from bayesian.posterior import Posterior
from bayesian.ways import choose_passes
from foundations.step import Step
from training import RepeatableObjective, TrainingCircumstances, accuracy, statistics_restored

FIRST, LAST = 0, -1
"""Rounds of passes under a step's samples."""


class Elbo(RepeatableObjective):
    r"""The negative tempered ELBO of a batch, per training example (paper section 3, equation 2, and section 4).

    .. math:: -\frac{1}{S B} \sum_{s, b} \log p(y_b \mid x_b, w_s) + \frac{T}{N} \mathrm{KL}(q \| p)

    Each sample of the weights has its own forward and backward pass, so memory is that of one sample, whatever S; or
    several go together, as `bayesian.ways` says. With the predictive likelihood the first term is the log of the
    probability averaged over samples; its gradient needs every sample's probabilities first, so there is one more
    forward pass a sample, and the same memory.

    Processes that share the samples find the gradients of theirs, drawn as one process would draw them, in units in
    which the average over the processes is the batch's gradient.

    With `--bayesian_loss_scale=sum` gradients are N times as large; what is returned and logged stays as it is.

    Args:
        way: in which way samples go together, if several do.
    """

    def __init__(
        self,
        model: nn.Module,
        hparams: BayesianHparams,
        circumstances: TrainingCircumstances,
        way: str = "side by side",
    ) -> None:
        self._model = model
        self._posterior = Posterior.of(model)
        self._hparams = hparams
        self._run = circumstances
        of_posterior = {id(p) for tensor in self._posterior.tensors for p in (tensor.mean, tensor.log_std)}
        self._shared = [p for p in model.parameters() if p.requires_grad and id(p) not in of_posterior]
        self._sums: list[Tensor] = []
        self._estimator = ESTIMATORS.get(hparams.estimator)
        self._way = way
        self._passes: SamplePasses | None = None
        self._ranks = circumstances.sample_ranks
        self._own = self._ranks.part(hparams.samples)
        self._noise = self._estimator.noise(
            NoiseRequest(hparams.samples, self._posterior.size, circumstances.streams, self._posterior.device)
        )
        # Two rounds of passes under the same samples need two generators: a GPU that replays a step seeds none amid it.
        rounds = 2 if hparams.likelihood == "predictive" else 1
        self.generators = [torch.Generator(self._posterior.device) for _ in range(rounds)]
        self._draws: list[Iterator[Tensor]] = []
        self._scale = float(circumstances.num_examples) if hparams.loss_scale == "sum" else 1.0
        self._temperature = math.nan
        self._factor = torch.empty((), device=self._posterior.device)  # a GPU that replays a step reads it at its place
        self._set_temperature(hparams.kl_temperature)
        if not self._estimator.repeatable:
            self.varies = f"the estimator {hparams.estimator} may draw in another way at every step"

    def _set_temperature(self, temperature: float) -> None:
        if temperature != self._temperature:
            self._temperature = temperature
            self._factor.fill_(temperature / self._run.num_examples)

    def prepare(self, step: Step) -> None:
        """Seed what draws the samples of a step's weights, and set the step's temperature."""
        self._set_temperature(self._hparams.kl_temperature_at(step))
        seed = self._run.streams.seed("weight_samples", step.iteration)
        self._draws = [self._noise(step.iteration, generator.manual_seed(seed)) for generator in self.generators]

    def add_gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Add the gradient of the loss.

        Returns:
            `loss`, `accuracy` of the averaged probabilities, `data_fit` (the first term) and `kl` (in nats).
        """
        mean, log_std = self._posterior.flat()
        std = log_std.exp()
        gradients = SampleGradients(self._posterior, like=mean)
        self._let_shared_add_up()
        passes, shares = self._passes_for(images), self._shares(images, labels, mean, std)
        fits, probabilities = [], torch.zeros((), device=images.device)
        for share, logits in self._logits(images, mean, std, LAST, shares):
            log_probabilities = logits.log_softmax(dim=2)  # (n, B, classes)
            losses = negative_log_likelihoods(log_probabilities, labels)  # (n, B)
            loss = (losses * share).mean()
            if self._scale != 1.0:
                loss = loss * self._scale
            self._run.precision.scale(loss if len(losses) == 1 else loss * len(losses)).backward()
            passes.add_gradients(gradients)
            fits.append(losses.detach())
            probabilities = probabilities + log_probabilities.detach().exp().sum(dim=0)
        self._ranks.add_up(probabilities)
        divergence = divergence_from_prior(mean, log_std, std, self._hparams.prior_std)
        of_mean, of_log_std = gradients.of_mean, gradients.of_std.mul_(std)
        if self._hparams.optimizer != IVON:  # which has the gradient of the divergence in its own step
            factor = self._run.precision.scale(self._factor * self._scale)
            of_mean.addcmul_(divergence.mean_gradient, factor)
            of_log_std.addcmul_(divergence.log_std_gradient, factor)
        self._posterior.add_gradients(of_mean, of_log_std)
        data_fit = self._data_fit(self._of_all_ranks(torch.cat(fits)))
        return {
            "loss": data_fit + self._factor * divergence.value,
            "accuracy": accuracy(probabilities, labels),
            "data_fit": data_fit,
            "kl": divergence.value,
        }

    def _let_shared_add_up(self) -> None:
        """Give parameters that all samples share gradients to which each sample's is added.

        Autograd would keep the first sample's itself, which the next replay of a graph writes over.
        """
        if not self._sums:
            self._sums = [torch.zeros_like(parameter) for parameter in self._shared]
        new = [
            (parameter, total)
            for parameter, total in zip(self._shared, self._sums, strict=True)
            if parameter.grad is None
        ]
        if new:
            torch._foreach_zero_([total for _, total in new])
        for parameter, total in new:
            parameter.grad = total

    def _passes_for(self, images: Tensor) -> SamplePasses:
        if self._passes is None:
            own = self._own.stop - self._own.start
            self._passes = choose_passes(
                self._model, self._posterior, self._estimator, own, self._run, images, self._way
            )
        return self._passes

    def _logits(
        self, images: Tensor, mean: Tensor, std: Tensor, turn: int, shares: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield shares and logits (n, B, classes) of as many own samples as go together, the same every turn."""
        passes, generator = self._passes_for(images), self.generators[turn]
        noise = itertools.islice(self._draws[turn], self._own.start, self._own.stop)
        for share in shares.split(passes.at_once):
            weights = SampledWeights(mean, std, list(itertools.islice(noise, len(share))), generator)
            yield share, passes.logits(images, weights)

    @torch.no_grad()
    def _shares(self, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Return each own sample's share (s, 1) or (s, B) in the gradient.

        Those of an example sum to 1 over all samples; times the processes that share them, since these are averaged.
        """
        samples, processes = self._hparams.samples, self._ranks.size
        own = self._own.stop - self._own.start
        alike = torch.full((own, 1), processes / samples, device=images.device)
        if self._hparams.likelihood == "expected":
            return alike
        with statistics_restored(self._model):  # these passes are no training
            logits = [found for _, found in self._logits(images, mean, std, FIRST, alike)]
        losses = torch.cat([negative_log_likelihoods(one.log_softmax(dim=2), labels) for one in logits])
        return self._of_all_ranks(losses).neg().softmax(dim=0)[self._own] * processes

    def _of_all_ranks(self, losses: Tensor) -> Tensor:
        """Return the losses (S, B) of all samples, given those of the own ones."""
        if self._ranks.size == 1:
            return losses
        together = losses.new_zeros(self._hparams.samples, losses.shape[1])
        together[self._own] = losses
        self._ranks.add_up(together)
        return together

    def _data_fit(self, losses: Tensor) -> Tensor:
        """Return the first term from each sample's negative log likelihoods (S, B)."""
        if self._hparams.likelihood == "expected":
            return losses.mean()
        return (losses.new_full((), len(losses), dtype=torch.float32).log() - losses.neg().logsumexp(dim=0)).mean()


def negative_log_likelihoods(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return each sample's loss of each example, (n, B), from (n, B, classes) and the labels (B,)."""
    samples, examples, _ = log_probabilities.shape
    several = labels.expand(samples, examples).reshape(-1)
    return F.nll_loss(log_probabilities.flatten(0, 1), several, reduction="none").view(samples, examples)
