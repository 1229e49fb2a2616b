"""Bayesian networks compiled: one graph serves every sample, and gradients are those without."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bayesian.elbo import Elbo
from bayesian.hparams import BayesianHparams
from bayesian.variant import Bayesian
from foundations.context import RunContext
from foundations.step import Step
from models import ModelHparams
from training.placement import place

# The compiler is slow, and its own code warns.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("estimator", ["weights", "local_reparameterization"])
def test_a_compiled_network_gives_the_gradients_of_the_plain_one(circumstances, estimator):
    hparams = BayesianHparams(samples=3, estimator=estimator, init_std=1.0)
    images = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = []
    for compiled in (False, True):
        context = RunContext(root=Path("unused"), dataset_root=Path("unused"), compile=compiled)
        lenet = ModelHparams(model_name="mnist_lenet_12_8", model_init="kaiming_uniform", batchnorm_init="uniform")
        model = place(Bayesian(hparams).build(lenet, 10, 0), context)
        torch._dynamo.utils.counters.clear()
        terms = Elbo(model, hparams, circumstances).backward(images, torch.arange(8), Step(0, 10))
        found.append({**terms, **{name: parameter.grad for name, parameter in model.named_parameters()}})
    plain, compiled = found
    assert plain.keys() == compiled.keys()
    for name, expected in plain.items():
        torch.testing.assert_close(compiled[name], expected, rtol=1e-4, atol=1e-5, msg=name)
    if estimator == "weights":
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
