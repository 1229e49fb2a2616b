"""What samples of the weights predict; the predictive distribution is their average (paper section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bayesian.batchnorm import use_batch_statistics
from bayesian.hparams import BayesianHparams
from bayesian.posterior import Posterior
from training import PredictionRequest, logits_of, recalibrate, statistics_restored


@torch.no_grad()
def log_probabilities_of_samples(
    model: nn.Module, hparams: BayesianHparams, request: PredictionRequest
) -> Iterator[Tensor]:
    """Yield the log of the class probabilities, (N, classes) in float32, under each sample of all weights.

    One sample serves a whole pass over the images, so each is one function. Memory is that of one batch and of one
    result. At each the network is as it was.
    """
    posterior = Posterior.of(model)
    generator = request.generator("evaluation_samples", posterior.device)

    def one_sample() -> Tensor:
        sample = posterior.draw(generator)
        with (
            _evaluation_mode(model),
            statistics_restored(model),
            posterior.weights(sample),
            request.precision.autocast(),
        ):
            _prepare_batchnorm(model, hparams.batchnorm, request)
            logits = logits_of(model, request.images())
        return logits.log_softmax(dim=1)

    predict = request.passes.repeated("bayesian", model, one_sample)
    for _ in range(hparams.samples_in_evaluation):
        yield predict().clone()  # the next sample's may be written to the same place


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
