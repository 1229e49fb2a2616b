"""What a Bayesian network takes over from a deterministic one."""

from __future__ import annotations

import pytest
import torch

from bayesian.adapter import variational_tensors
from bayesian.transplant import take_over_deterministic_state
from foundations.errors import UserError
from models import ModelHparams, build_network

NAME = "cifar_resnet_8_4"


@pytest.fixture
def donor():
    """A deterministic network of another seed, with BatchNorm statistics of its own."""
    hparams = ModelHparams(model_name=NAME, model_init="kaiming_normal", batchnorm_init="uniform")
    network = build_network(hparams, 10, seed=7)
    for name, buffer in network.named_buffers():
        buffer.fill_(3 if name.endswith("tracked") else 0.25)
    return network


def test_weights_become_means_the_rest_is_copied_and_log_stds_stay(donor, make_network):
    model = make_network(NAME)
    before = {tensor.name: tensor.log_std.detach().clone() for tensor in variational_tensors(model)}
    take_over_deterministic_state(model, donor.state_dict())
    distributed = variational_tensors(model)
    for tensor in distributed:
        assert tensor.mean.equal(donor.get_parameter(tensor.name))
        assert tensor.log_std.equal(before[tensor.name])
    rest = donor.state_dict().keys() - {tensor.name for tensor in distributed}
    assert {"bn.weight", "bn.running_mean", "bn.num_batches_tracked"} <= rest
    for name in rest:
        assert model.state_dict()[name].equal(donor.state_dict()[name]), name


def test_nothing_is_shared_with_the_donor(donor, make_network):
    model = make_network(NAME)
    take_over_deterministic_state(model, donor.state_dict())
    with torch.no_grad():
        donor.fc.weight.add_(1)
    assert not model.fc._weight_mean.equal(donor.fc.weight)


@pytest.mark.parametrize("change", ["missing", "left over"])
def test_a_tensor_that_only_one_of_them_has_is_named(donor, make_network, change):
    state = donor.state_dict()
    if change == "missing":
        del state["fc.bias"]
    else:
        state["extra.bias"] = torch.zeros(1)
    with pytest.raises(UserError, match=r"only one of them has (fc|extra)\.bias"):
        take_over_deterministic_state(make_network(NAME), state)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(donor, make_network):
    state = donor.state_dict()
    state["fc.bias"] = torch.zeros(7)
    with pytest.raises(UserError, match=r"fc\.bias has shape \(7,\) in the trunk, \(10,\) here"):
        take_over_deterministic_state(make_network(NAME), state)
