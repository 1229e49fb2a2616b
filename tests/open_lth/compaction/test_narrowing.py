"""Narrow networks are made again from their tensors alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from open_lth.compaction import compact, narrowed
from tests.open_lth.compaction.networks import FAMILIES, parameters, pruned


@pytest.mark.parametrize("name", FAMILIES)
def test_a_narrow_network_is_made_again_from_a_fresh_wide_one_and_its_tensors(name):
    model, images = pruned(name, density=0.02, seed=0)
    compacted = compact(model, lambda: [images])
    fresh, _ = pruned(name, density=1.0, seed=1)
    again = narrowed(fresh, compacted.network.state_dict(), compacted.attention).eval()
    assert parameters(again) < parameters(model)
    assert torch.equal(again(images), compacted.network(images))
    assert parameters(fresh) == parameters(model)


def test_its_layers_say_their_own_sizes():
    model, images = pruned("cifar_vgg_11_4", density=0.02, seed=0)
    for module in compact(model, lambda: [images]).network.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.shape == (module.out_features, module.in_features)
        if isinstance(module, nn.Conv2d):
            assert module.weight.shape[:2] == (module.out_channels, module.in_channels)
        if isinstance(module, nn.BatchNorm2d):
            assert len(module.running_mean) == module.num_features


def test_it_can_be_trained():
    model, images = pruned("cifar_vit_2_32_2", density=0.02, seed=0)
    narrow = compact(model, lambda: [images]).network
    narrow(images).sum().backward()
    assert all(parameter.grad is not None for parameter in narrow.parameters())


def test_tensors_of_another_network_are_refused():
    model, images = pruned("mnist_lenet_30_20", density=0.02, seed=0)
    state = compact(model, lambda: [images]).network.state_dict()
    state["another.weight"] = torch.zeros(1)
    with pytest.raises(RuntimeError, match="another"):
        narrowed(copy.deepcopy(model), state, {})
