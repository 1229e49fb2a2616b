"""The predictive distribution: class probabilities averaged over samples of the weights (paper section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bayesian.batchnorm import recalibrate, statistics_restored, use_batch_statistics
from bayesian.hparams import BayesianHparams
from bayesian.posterior import Posterior
from training import PredictionRequest, logits_of


@torch.no_grad()
def predictive_log_probabilities(model: nn.Module, hparams: BayesianHparams, request: PredictionRequest) -> Tensor:
    """Return the log of the predictive distribution, (N, classes) in float32.

    One sample of all weights serves a whole pass over the images, so each sample is one function. Memory is that of
    one batch and of two results. The network is left as it was.
    """
    posterior = Posterior.of(model)
    total: Tensor | None = None
    generator = request.streams.generator("evaluation_samples", request.occasion, device=posterior.device)
    with _evaluation_mode(model), statistics_restored(model):
        for _ in range(hparams.samples_in_evaluation):
            with posterior.weights(posterior.draw(generator)), request.precision.autocast():
                _prepare_batchnorm(model, hparams.batchnorm, request)
                logits = logits_of(model, request.images())
            log_probabilities = logits.log_softmax(dim=1)
            total = log_probabilities if total is None else torch.logaddexp(total, log_probabilities)
    assert total is not None
    return total - math.log(hparams.samples_in_evaluation)


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Set the network to evaluation inside the block, and every module back to its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _prepare_batchnorm(model: nn.Module, mode: str, request: PredictionRequest) -> None:
    if mode == "recalibrated":
        # Not compiled: the momentum, which changes from batch to batch, would be compiled in.
        recalibrate(model, request.calibration(), model.forward)
    elif mode == "batch":
        use_batch_statistics(model)
