"""BatchNorm statistics of one sample of the weights, against sums by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bayesian.batchnorm import _in_plain_operations, use_batch_statistics
from bayesian.posterior import Posterior
from training import batchnorm_layers, recalibrate, statistics_restored

NAME = "cifar_resnet_8_4"


@pytest.fixture
def model(make_network):
    return make_network(NAME, init_std=1.0).eval()


@pytest.fixture
def batches(images_for):
    """Two batches of different sizes: each counts by its images."""
    images = images_for(NAME, 12)
    return [images[:8] + 0.5, 2 * images[8:]]


def inputs_by_layer(model):
    """Record what every BatchNorm layer is given."""
    found = {layer: [] for layer in batchnorm_layers(model)}
    for layer in found:
        layer.register_forward_pre_hook(lambda module, args: found[module].append(args[0].detach()))
    return found


@torch.no_grad()
def test_statistics_are_averages_over_images_of_the_batches_means_and_unbiased_variances(model, batches):
    posterior = Posterior.of(model)
    inputs = inputs_by_layer(model)
    with posterior.weights(posterior.draw(torch.Generator().manual_seed(0))):
        recalibrate(model, batches, model)
    assert len(inputs) == 9
    for layer, given in inputs.items():
        assert len(given) == 2
        by_channel = [images.transpose(0, 1).flatten(1) for images in given]
        mean = (8 * by_channel[0].mean(1) + 4 * by_channel[1].mean(1)) / 12
        variance = (8 * by_channel[0].var(1, unbiased=True) + 4 * by_channel[1].var(1, unbiased=True)) / 12
        torch.testing.assert_close(layer.running_mean, mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.running_var, variance, rtol=1e-4, atol=1e-5)
        assert not layer.training


@torch.no_grad()
def test_a_single_image_left_over_counts_as_one_of_many(model, images_for):
    images, posterior, found = images_for(NAME, 129), Posterior.of(model), []
    with posterior.weights(posterior.draw(torch.Generator().manual_seed(0))):
        for batches in ([images[:128]], [images[:128], 100 * images[128:]]):
            recalibrate(model, batches, model)
            found.append(batchnorm_layers(model)[0].running_var.clone())
        recalibrate(model, [100 * images[128:]], model)
    alone = batchnorm_layers(model)[0].running_var
    torch.testing.assert_close(found[1], (128 * found[0] + alone) / 129, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_earlier_statistics_leave_no_trace(model, batches):
    posterior = Posterior.of(model)
    found = []
    with posterior.weights(posterior.draw(torch.Generator().manual_seed(0))):
        for value in (0.0, 100.0):
            for layer in batchnorm_layers(model):
                layer.running_mean.fill_(value)
                layer.running_var.fill_(value + 1)
                layer.num_batches_tracked.fill_(int(value))
                layer.momentum = 0.9
            recalibrate(model, batches, model)
            found.append([layer.running_var.clone() for layer in batchnorm_layers(model)])
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


@torch.no_grad()
def test_other_weights_have_other_statistics(model, batches):
    posterior, generator = Posterior.of(model), torch.Generator().manual_seed(0)
    found = []
    for _ in range(2):
        with posterior.weights(posterior.draw(generator)):
            recalibrate(model, batches, model)
        found.append(batchnorm_layers(model)[0].running_mean.clone())
    assert not found[0].allclose(found[1])


@torch.no_grad()
@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("change", ["recalibrate", "batch"])
def test_statistics_momentum_and_mode_are_put_back(model, batches, change, raises):
    layers = batchnorm_layers(model)
    for number, layer in enumerate(layers):
        layer.running_mean.fill_(number)
        layer.num_batches_tracked.fill_(number)
        layer.momentum = None if number == 1 else 0.1 * (number + 1)
        layer.train(number % 2 == 0)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    settings = [(layer.momentum, layer.training) for layer in layers]

    def use():
        with statistics_restored(model), posterior.weights(posterior.draw(torch.Generator().manual_seed(0))):
            if change == "recalibrate":
                recalibrate(model, batches, model)
            else:
                use_batch_statistics(model)
                model(batches[0])
            assert layers[0].running_mean.any()
            if raises:
                raise RuntimeError("stop")

    posterior = Posterior.of(model)
    if raises:
        with pytest.raises(RuntimeError, match="stop"):
            use()
    else:
        use()
    assert all(buffer.equal(buffers[name]) for name, buffer in model.named_buffers())
    assert [(layer.momentum, layer.training) for layer in layers] == settings


def test_a_network_without_batchnorm_is_not_run_for_statistics(make_network):
    def forward(images):
        raise AssertionError("there is nothing to recompute")

    recalibrate(make_network("mnist_lenet_12"), [torch.zeros(1, 1, 28, 28)], forward)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("kind", "shape"), [(nn.BatchNorm2d, (6, 3, 4, 4)), (nn.BatchNorm1d, (6, 3))])
def test_plain_operations_normalise_as_the_layer_does_note_its_statistics_and_have_its_gradients(kind, shape, affine):
    torch.manual_seed(0)
    layers = [kind(3, affine=affine, momentum=1.0).double() for _ in range(2)]
    inputs = torch.randn(shape, dtype=torch.float64) * 2 + 1
    found = []
    for layer, through in zip(layers, (lambda layer, x: layer(x), _in_plain_operations), strict=True):
        if affine:
            with torch.no_grad():
                layer.weight.copy_(torch.tensor([0.5, -1.0, 2.0]))
                layer.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
        features = inputs.clone().requires_grad_()
        output = through(layer, features)
        output.sin().sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        found.append([output.detach(), features.grad, layer.running_mean, layer.running_var, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
