"""The evidence lower bound, tempered, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bayesian.divergence import divergence_from_standard_normal
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import BayesianHparams
from bayesian.posterior import Posterior
from foundations.step import Step
from training import TrainingCircumstances
from training.objective import accuracy


class Elbo:
    r"""The negative tempered ELBO of a batch, per training example (paper section 3, equation 2, and section 4).

    .. math:: -\frac{1}{S B} \sum_{s, b} \log p(y_b \mid x_b, w_s) + \frac{T}{N} \mathrm{KL}(q \| p)

    Each sample of the weights has its own forward and backward pass, so memory is that of one sample, whatever S.
    With the predictive likelihood the first term is the log of the probability averaged over samples; its gradient
    needs every sample's probabilities first, so there is one more forward pass a sample, and the same memory.
    """

    def __init__(self, model: nn.Module, hparams: BayesianHparams, circumstances: TrainingCircumstances) -> None:
        self._model = model
        self._posterior = Posterior.of(model)
        self._hparams = hparams
        self._run = circumstances

    def backward(self, images: Tensor, labels: Tensor, step: Step) -> dict[str, Tensor]:
        """Set the gradient of the loss for means and log stds, and add it for deterministic parameters.

        Returns:
            `loss`, `accuracy` of the averaged probabilities, `data_fit` (the first term) and `kl` (in nats).
        """
        precision, samples = self._run.precision, self._hparams.samples
        mean, log_std = self._posterior.flat()
        std = log_std.exp()
        mean_gradient, std_gradient = torch.zeros_like(mean), torch.zeros_like(mean)
        fits, probabilities = [], torch.zeros((), device=images.device)
        responsibilities = self._responsibilities(images, labels, step, mean, std)
        for index, noise in enumerate(self._noise(step)):
            weights = torch.addcmul(mean, std, noise).requires_grad_()
            with self._posterior.weights(weights), precision.autocast():
                logits = self._model(images).float()  # (B, classes)
                losses = F.cross_entropy(logits, labels, reduction="none")  # (B,)
                share = (
                    losses.mean() / samples if responsibilities is None else (losses * responsibilities[index]).mean()
                )
            precision.scale(share).backward()
            assert weights.grad is not None
            mean_gradient.add_(weights.grad)
            std_gradient.addcmul_(weights.grad, noise)
            fits.append(losses.detach())
            probabilities = probabilities + logits.detach().softmax(dim=1)
        divergence = divergence_from_standard_normal(mean, log_std)
        tempering = self._hparams.kl_temperature / self._run.num_examples
        factor = precision.scale(torch.full((), tempering, device=images.device))
        self._posterior.set_gradients(
            mean_gradient.add_(divergence.mean_gradient * factor),
            std_gradient.mul_(std).add_(divergence.log_std_gradient * factor),
        )
        data_fit = self._data_fit(torch.stack(fits))
        return {
            "loss": data_fit + tempering * divergence.value,
            "accuracy": accuracy(probabilities, labels),
            "data_fit": data_fit,
            "kl": divergence.value,
        }

    def _noise(self, step: Step) -> Iterator[Tensor]:
        """Draw the step's noise; each call draws the same."""
        generator = self._run.streams.generator("weight_samples", step.iteration, device=self._posterior.device)
        return ESTIMATORS.get(self._hparams.estimator)(self._hparams.samples, self._posterior.size, generator)

    @torch.no_grad()
    def _responsibilities(self, images: Tensor, labels: Tensor, step: Step, mean: Tensor, std: Tensor) -> Tensor | None:
        """Return each sample's share (S, B) in the gradient of the predictive likelihood; None if all are equal."""
        if self._hparams.likelihood == "expected":
            return None
        losses = []
        for noise in self._noise(step):
            weights = torch.addcmul(mean, std, noise)
            with self._posterior.weights(weights), self._run.precision.autocast():
                losses.append(F.cross_entropy(self._model(images).float(), labels, reduction="none"))
        return torch.stack(losses).neg().softmax(dim=0)

    def _data_fit(self, losses: Tensor) -> Tensor:
        """Return the first term from each sample's negative log likelihoods (S, B)."""
        if self._hparams.likelihood == "expected":
            return losses.mean()
        return (torch.tensor(float(len(losses))).log() - losses.neg().logsumexp(dim=0)).mean()
