"""The evidence lower bound, tempered, and its gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bayesian.adapter import linear_outputs_sampled, weights_in_place
from bayesian.batchnorm import statistics_restored
from bayesian.divergence import divergence_from_standard_normal
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import BayesianHparams
from bayesian.noise import NoiseRequest
from bayesian.posterior import Posterior
from foundations.step import Step
from training import TrainingCircumstances, accuracy
from training.objective import RepeatableObjective

FIRST, LAST = 0, -1
"""Rounds of passes under a step's samples."""


class Elbo(RepeatableObjective):
    r"""The negative tempered ELBO of a batch, per training example (paper section 3, equation 2, and section 4).

    .. math:: -\frac{1}{S B} \sum_{s, b} \log p(y_b \mid x_b, w_s) + \frac{T}{N} \mathrm{KL}(q \| p)

    Each sample of the weights has its own forward and backward pass, so memory is that of one sample, whatever S.
    With the predictive likelihood the first term is the log of the probability averaged over samples; its gradient
    needs every sample's probabilities first, so there is one more forward pass a sample, and the same memory.

    Processes that share the samples find the gradients of theirs, drawn as one process would draw them, in units in
    which the average over the processes is the batch's gradient.
    """

    def __init__(self, model: nn.Module, hparams: BayesianHparams, circumstances: TrainingCircumstances) -> None:
        self._model = model
        self._posterior = Posterior.of(model)
        self._hparams = hparams
        self._run = circumstances
        of_posterior = {id(p) for tensor in self._posterior.tensors for p in (tensor.mean, tensor.log_std)}
        self._shared = [p for p in model.parameters() if p.requires_grad and id(p) not in of_posterior]
        self._estimator = ESTIMATORS.get(hparams.estimator)
        self._sample = self._posterior.place()
        # Each tensor is a leaf of its own, so that autograd need not put the gradients together again.
        self._weights = [part.detach().requires_grad_() for part in self._posterior.split(self._sample)]
        self._ranks = circumstances.sample_ranks
        self._own = self._ranks.part(hparams.samples)
        self._noise = self._estimator.noise(
            NoiseRequest(hparams.samples, self._posterior.size, circumstances.streams, self._posterior.device)
        )
        # Two rounds of passes under the same samples need two generators: a GPU that replays a step seeds none amid it.
        rounds = 2 if hparams.likelihood == "predictive" else 1
        self.generators = [torch.Generator(self._posterior.device) for _ in range(rounds)]
        self._draws: list[Iterator[Tensor]] = []
        if not self._estimator.repeatable:
            self.varies = f"the estimator {hparams.estimator} may draw in another way at every step"

    def prepare(self, step: Step) -> None:
        """Seed what draws the samples of a step's weights."""
        seed = self._run.streams.seed("weight_samples", step.iteration)
        self._draws = [self._noise(step.iteration, generator.manual_seed(seed)) for generator in self.generators]

    def add_gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Add the gradient of the loss.

        Returns:
            `loss`, `accuracy` of the averaged probabilities, `data_fit` (the first term) and `kl` (in nats).
        """
        mean, log_std = self._posterior.flat()
        std = log_std.exp()
        gradients = _SampleGradients(self._posterior, like=mean)
        for parameter in self._shared:
            # Autograd would keep the first sample's gradient itself, which the next replay of a graph writes over.
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        shares = self._shares(images, labels, mean, std)
        fits, probabilities = [], torch.zeros((), device=images.device)
        for share, (noise, weights, logits) in zip(shares, self._passes(images, mean, std, LAST), strict=True):
            log_probabilities = logits.log_softmax(dim=1)  # (B, classes)
            losses = F.nll_loss(log_probabilities, labels, reduction="none")  # (B,)
            self._run.precision.scale((losses * share).mean()).backward()
            gradients.add(weights, noise)
            fits.append(losses.detach())
            probabilities = probabilities + log_probabilities.detach().exp()
        self._ranks.add_up(probabilities)
        divergence = divergence_from_standard_normal(mean, log_std, std)
        tempering = self._hparams.kl_temperature / self._run.num_examples
        factor = self._run.precision.scale(torch.full((), tempering, device=images.device))
        self._posterior.add_gradients(
            gradients.of_mean.addcmul_(divergence.mean_gradient, factor),
            gradients.of_std.mul_(std).addcmul_(divergence.log_std_gradient, factor),
        )
        data_fit = self._data_fit(self._of_all_ranks(torch.stack(fits)))
        return {
            "loss": data_fit + tempering * divergence.value,
            "accuracy": accuracy(probabilities, labels),
            "data_fit": data_fit,
            "kl": divergence.value,
        }

    def _passes(
        self, images: Tensor, mean: Tensor, std: Tensor, turn: int
    ) -> Iterator[tuple[Tensor, list[Tensor], Tensor]]:
        """Yield (noise, weights by tensor, logits) for each own sample; every turn draws the same for a step."""
        generator, draws = self.generators[turn], self._draws[turn]
        for noise in itertools.islice(draws, self._own.start, self._own.stop):
            for weight in self._weights:
                weight.grad = None
            torch.addcmul(mean, std, noise, out=self._sample)
            with weights_in_place(self._posterior.tensors, self._weights), self._run.precision.autocast():
                if self._estimator.local_in_linear_layers:
                    with linear_outputs_sampled(self._posterior.tensors, generator):
                        logits = self._model(images)
                else:
                    logits = self._model(images)
            yield noise, self._weights, logits.float()

    @torch.no_grad()
    def _shares(self, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """Return each own sample's share (s, 1) or (s, B) in the gradient.

        Those of an example sum to 1 over all samples; times the processes that share them, since these are averaged.
        """
        samples, processes = self._hparams.samples, self._ranks.size
        if self._hparams.likelihood == "expected":
            own = self._own.stop - self._own.start
            return torch.full((own, 1), processes / samples, device=images.device)
        with statistics_restored(self._model):  # these passes are no training
            passes = self._passes(images, mean, std, FIRST)
            losses = [F.cross_entropy(logits, labels, reduction="none") for _, _, logits in passes]
        return self._of_all_ranks(torch.stack(losses)).neg().softmax(dim=0)[self._own] * processes

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


class _SampleGradients:
    """Sums, over samples, of the gradients of the sampled weights' means and stds: vectors of all weights."""

    def __init__(self, posterior: Posterior, like: Tensor) -> None:
        self._posterior = posterior
        self.of_mean, self.of_std = torch.zeros_like(like), torch.zeros_like(like)
        self._means, self._stds = posterior.split(self.of_mean), posterior.split(self.of_std)

    def add(self, weights: list[Tensor], noise: Tensor) -> None:
        """Add one sample's, which came by this noise; a tensor that no layer used has none."""
        parts = zip(self._means, self._stds, weights, self._posterior.split(noise), strict=True)
        used = [(mean, std, weight.grad, part) for mean, std, weight, part in parts if weight.grad is not None]
        if used:
            means, stds, found, noises = zip(*used, strict=True)
            torch._foreach_add_(means, found)
            torch._foreach_addcmul_(stds, found, noises)
