"""Training steps as the training loop takes them, on images made of noise."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from unittest import mock

import torch
from torch import nn

import bayesian.variant
from bayesian.elbo import Elbo
from bayesian.hparams import IVON, BayesianHparams
from bayesian.variant import Bayesian
from foundations.messages import LOGGER
from foundations.randomness import RandomStreams
from foundations.step import Step
from measuring import Work
from models import ModelHparams, find_family
from training import Deterministic, ModelVariant, TrainingCircumstances, TrainingHparams
from training.precision import Precision

NUM_EXAMPLES, NUM_CLASSES = 50_000, 10
DETERMINISTIC = "deterministic"
KINDS = {
    DETERMINISTIC: ("weights", 0),
    "weights 10": ("weights", 10),
    "recycled 10": ("recycled", 10),
    "antithetic 2": ("antithetic", 2),
    "weights 1": ("weights", 1),
    "IVON 1": (IVON, 1),
}
"""What tables call a variant, and its estimator (or IVON) and number of samples: 0 for a deterministic network."""


def variant_of(estimator: str, samples: int) -> ModelVariant:
    """Return a variant; 0 samples stand for the deterministic one, and the estimator ivon for IVON."""
    if not samples:
        return Deterministic()
    if estimator == IVON:
        return Bayesian(BayesianHparams(optimizer=IVON, samples=samples))
    return Bayesian(BayesianHparams(estimator=estimator, samples=samples))


@contextlib.contextmanager
def samples_go(way: str) -> Iterator[None]:
    """Let samples that go together do so in a way of `bayesian.ways`, which no flag chooses."""
    with mock.patch.object(bayesian.variant, "Elbo", functools.partial(Elbo, way=way)):
        yield


@contextlib.contextmanager
def refusing_another_way() -> Iterator[None]:
    """Raise a RuntimeError where samples that are to go together go one after another, of which users are warned."""

    def refuse(record: logging.LogRecord) -> bool:
        if "one after another" in (message := record.getMessage()):
            raise RuntimeError(message)
        return True

    LOGGER.addFilter(refuse)
    try:
        yield
    finally:
        LOGGER.removeFilter(refuse)


def model_hparams(network: str) -> ModelHparams:
    """Return the hyperparameters of a network, initialised as in the paper."""
    return ModelHparams(model_name=network, model_init="kaiming_uniform", batchnorm_init="uniform")


def random_batch(network: str, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (B, C, H, W) such as the network takes, in channels_last, and labels (B,)."""
    channels, height, width = find_family(network).image_shape
    assert height is not None and width is not None
    images = torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last), torch.arange(batch) % NUM_CLASSES


def training_step(network: str, estimator: str, samples: int, batch: int) -> Work:
    """Return a training step: forward, backward, and Adam."""
    variant = variant_of(estimator, samples)
    model: nn.Module = variant.build(model_hparams(network), NUM_CLASSES, 0).to(memory_format=torch.channels_last)
    hparams = TrainingHparams(optimizer_name="adam", lr=1e-3, weight_decay=1e-4, training_steps="1ep")
    precision = Precision("fp32", torch.device("cpu"))
    circumstances = TrainingCircumstances(NUM_EXAMPLES, RandomStreams(1), precision, steps=10_000)
    optimizer = variant.optimizer(model, hparams, circumstances)
    objective = variant.objective(model, circumstances)
    images, labels = random_batch(network, batch)
    model.train()
    step = Step(0, NUM_EXAMPLES // batch)

    def work() -> None:
        nonlocal step
        optimizer.zero_grad()
        objective.backward(images, labels, step)
        precision.step(optimizer)
        step = step.next()

    return work
