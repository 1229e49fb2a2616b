"""A Bayesian network taken apart, and put together again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors
from bayesian.hparams import BayesianHparams
from bayesian.posterior import Posterior
from bayesian.variant import Bayesian
from models import ModelHparams
from pruning import Mask, apply_mask, prunable_shapes
from training import Deterministic

HPARAMS = ModelHparams(model_name="cifar_resnet_8_4", model_init="kaiming_normal", batchnorm_init="uniform")


def variant(**options: object) -> Bayesian:
    return Bayesian(BayesianHparams(samples=2, init_std=1.0, **options))


@pytest.fixture
def model() -> nn.Module:
    """A network with half of its weights pruned, and statistics that are not those of its means."""
    network = variant().build(HPARAMS, 10, seed=0)
    prunable = variant().prunable(network)
    generator = torch.Generator().manual_seed(0)
    shapes = prunable_shapes(prunable)
    mask = {name: (torch.rand(shape, generator=generator) < 0.5).int() for name, shape in shapes.items()}
    apply_mask(prunable, Mask(mask))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.running_mean, 3.0)
    return network.eval()


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return list(torch.randn(32, 3, 32, 32, generator=generator).split(16))


def mean_network(model: nn.Module, **options: object) -> nn.Module:
    plain = Deterministic().build(HPARAMS, 10, seed=1)
    plain.load_state_dict(variant(**options).deterministic_state(model, images))
    return plain.eval()


@torch.no_grad()
def test_the_mean_network_computes_what_the_means_do(model):
    posterior = Posterior.of(model)
    with posterior.weights(posterior.flat()[0]):
        expected = model(images()[0])
    assert torch.allclose(mean_network(model, batchnorm="running")(images()[0]), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["recalibrated", "batch"])
@torch.no_grad()
def test_its_statistics_are_those_of_the_means_on_the_calibration_images(model, mode):
    plain = mean_network(model, batchnorm=mode)
    expected = torch.cat([nn.functional.conv2d(batch, plain.conv.weight, padding=1) for batch in images()])
    assert torch.allclose(plain.bn.running_mean, expected.mean((0, 2, 3)), atol=1e-5)


def test_the_network_is_left_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    variant().deterministic_state(model, images)
    variant().further_state(model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_its_names_and_their_order_are_the_deterministic_networks(model):
    state = variant().deterministic_state(model, images)
    assert list(state) == list(Deterministic().build(HPARAMS, 10, seed=0).state_dict())


def test_every_random_tensor_has_its_std_and_pruned_ones_have_0(model):
    further = variant().further_state(model)
    for tensor in variational_tensors(model):
        assert torch.equal(further[f"{tensor.name}.std"], tensor.log_std.exp())
        assert torch.equal(further[f"{tensor.name}.std"] == 0, tensor.log_std == -torch.inf)


@pytest.mark.parametrize("mode", ["recalibrated", "running"])
def test_put_together_again_it_is_what_it_was(model, mode):
    own = variant(batchnorm=mode)
    again = own.build(HPARAMS, 10, seed=5)
    own.restore(again, own.deterministic_state(model, images), own.further_state(model))
    for name, tensor in again.state_dict().items():
        assert torch.allclose(tensor, model.state_dict()[name], rtol=1e-6, atol=1e-6), name


def test_it_says_how_it_was_made():
    own = variant(kl_temperature=0.5)
    assert Bayesian(own.describe()).describe() == own.describe()
    assert own.describe().kl_temperature == 0.5
