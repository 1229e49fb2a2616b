"""The large networks of the paper, of both kinds: one training step each."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from bayesian.hparams import BayesianHparams
from bayesian.variant import Bayesian
from foundations.randomness import RandomStreams
from foundations.step import Step
from models import ModelHparams
from training import OPTIMIZERS, Deterministic, ModelVariant, TrainingCircumstances, TrainingHparams
from training.precision import Precision

LARGE = {"cifar_resnet_110": 1_700_000, "cifar_vgg_19": 20_000_000, "cifar_vit_base": 85_000_000}
"""Names and about how many weights there are."""

VARIANTS: dict[str, ModelVariant] = {"deterministic": Deterministic(), "bayesian": Bayesian(BayesianHparams(samples=2))}


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_footprint() -> Iterator[None]:
    """Compute on one thread, and free what a test leaves before the next one begins."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    gc.collect()


@pytest.mark.parametrize("kind", VARIANTS)
@pytest.mark.parametrize("name", LARGE)
def test_a_training_step_changes_every_trainable_parameter(name: str, kind: str) -> None:
    variant = VARIANTS[kind]
    model = variant.build(ModelHparams(model_name=name, model_init="kaiming_uniform", batchnorm_init="uniform"), 10, 0)
    prunable = variant.prunable(model)
    assert 0.9 < sum(parts[0].parameter.numel() for parts in prunable.values()) / LARGE[name] < 1.1
    model.to(memory_format=torch.channels_last)
    hparams = TrainingHparams(optimizer_name="sgd", lr=0.1, training_steps="1it")
    optimizer = OPTIMIZERS.get("sgd")(variant.parameter_groups(model, hparams), hparams)
    precision = Precision("fp32", torch.device("cpu"))
    objective = variant.objective(model, TrainingCircumstances(50, RandomStreams(1), precision))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    terms = objective.backward(images.contiguous(memory_format=torch.channels_last), torch.tensor([3, 7]), Step(0, 25))
    assert all(bool(term.isfinite()) for term in terms.values())
    parameters = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert not [key for key, parameter in parameters.items() if parameter.grad is None]
    assert not [key for key, parameter in parameters.items() if not bool(parameter.grad.isfinite().all())]
    moving = [key for key, parameter in parameters.items() if bool(parameter.grad.any())]
    sums = {key: parameters[key].detach().double().sum() for key in moving}
    samples = {key: parameters[key].detach().flatten()[:4096].clone() for key in moving}
    optimizer.step()
    unmoved = [
        key
        for key in moving
        if torch.equal(parameters[key].detach().flatten()[:4096], samples[key])
        and torch.equal(parameters[key].detach().double().sum(), sums[key])
    ]
    assert not unmoved
    weights = [part.parameter for parts in prunable.values() for part in parts[:1]]
    assert {id(weight) for weight in weights} <= {id(parameters[key]) for key in moving}, "a weight has no gradient"
