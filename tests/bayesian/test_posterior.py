"""All weights as two vectors, samples of them, and gradients back to the tensors."""

from __future__ import annotations

import math

import pytest
import torch

from bayesian.posterior import Posterior


def test_flattening_and_splitting_are_inverse(make_network):
    posterior = Posterior.of(make_network("cifar_resnet_8_4"))
    means, log_stds = posterior.flat()
    assert means.shape == log_stds.shape == (posterior.size,)
    for tensor, mean, log_std in zip(posterior.tensors, posterior.split(means), posterior.split(log_stds), strict=True):
        assert mean.equal(tensor.mean)
        assert log_std.equal(tensor.log_std)


def test_the_vectors_are_copies_without_gradient(make_network):
    posterior = Posterior.of(make_network("mnist_lenet_12"))
    means, _ = posterior.flat()
    assert not means.requires_grad
    before = posterior.tensors[0].mean.detach().clone()
    means.add_(1)
    assert posterior.tensors[0].mean.equal(before)


def test_a_network_in_channels_last_layout_has_the_same_vectors_and_samples(make_network):
    model = make_network("cifar_resnet_8_4", init_std=1.0)
    before, drawn = Posterior.of(model).flat(), Posterior.of(model).draw(torch.Generator().manual_seed(0))
    model.to(memory_format=torch.channels_last)
    posterior = Posterior.of(model)
    assert all(found.equal(expected) for found, expected in zip(posterior.flat(), before, strict=True))
    assert posterior.draw(torch.Generator().manual_seed(0)).equal(drawn)


def test_draws_are_normal_with_the_given_means_and_stds(make_network):
    posterior = Posterior.of(make_network("mnist_lenet_12", init_std=1.0))
    with torch.no_grad():
        for tensor in posterior.tensors:
            tensor.mean.uniform_(-3, 3)
            tensor.log_std.uniform_(-3, 1)
    mean, log_std = posterior.flat()
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([posterior.draw(generator) for _ in range(200)])
    noise = (draws - mean) / log_std.exp()
    assert abs(noise.mean()) < 4 / math.sqrt(noise.numel())
    assert abs(noise.square().mean() - 1) < 4 * math.sqrt(2 / noise.numel())
    per_weight = (noise.mean(dim=0) * math.sqrt(len(draws))).abs()
    assert per_weight.max() < 5.5
    neighbours = (noise[:, 1:] * noise[:, :-1]).mean() * math.sqrt(noise[:, 1:].numel())
    assert abs(neighbours) < 4


def test_pruned_weights_are_exactly_zero_in_every_draw(make_network):
    posterior = Posterior.of(make_network("mnist_lenet_12", init_std=1.0))
    with torch.no_grad():
        for tensor in posterior.tensors:
            tensor.mean.view(-1)[::3] = 0.0
            tensor.log_std.view(-1)[::3] = -math.inf
    pruned = posterior.flat()[1].isinf()
    assert pruned.any() and not pruned.all()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        draw = posterior.draw(generator)
        assert not draw[pruned].any()
        assert draw[~pruned].all()


def test_frozen_tensors_get_no_gradient(make_network):
    posterior = Posterior.of(make_network("mnist_lenet_12", output_frozen=True))
    ramp = torch.arange(posterior.size, dtype=torch.float32)
    posterior.add_gradients(ramp, -ramp)
    for tensor, expected in zip(posterior.tensors, posterior.split(ramp), strict=True):
        if tensor.name.startswith("fc."):
            assert tensor.mean.grad is None and tensor.log_std.grad is None
        else:
            assert tensor.mean.grad.equal(expected)
            assert tensor.log_std.grad.equal(-expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_lie_in_memory_as_their_parameters_do_which_fused_optimisers_require(make_network, layout):
    model = make_network("cifar_resnet_8_4").to(memory_format=layout)
    posterior = Posterior.of(model)
    ramp = torch.arange(posterior.size, dtype=torch.float32)
    posterior.add_gradients(ramp, -ramp)
    for tensor, expected in zip(posterior.tensors, posterior.split(ramp), strict=True):
        assert tensor.mean.grad.equal(expected)
        assert tensor.log_std.grad.equal(-expected)
        assert tensor.mean.grad.stride() == tensor.mean.stride()
        assert tensor.log_std.grad.stride() == tensor.log_std.stride()


def test_fused_adam_takes_the_step_that_plain_adam_takes_in_channels_last_layout(make_network):
    stepped = []
    for fused in (False, True):
        posterior = Posterior.of(make_network("cifar_resnet_8_4").to(memory_format=torch.channels_last))
        means = [tensor.mean for tensor in posterior.tensors]
        optimizer = torch.optim.Adam(means, lr=0.1, eps=1.0, fused=fused)
        noise = torch.randn(posterior.size, generator=torch.Generator().manual_seed(0))
        posterior.add_gradients(noise, noise)
        optimizer.step()
        stepped.append(posterior.flat()[0])
    torch.testing.assert_close(stepped[1], stepped[0])
