"""The predictive distribution against averaging by hand, and what it does to the network."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call

from bayesian.adapter import variational_tensors
from bayesian.hparams import BATCHNORM_MODES
from bayesian.prediction import log_probabilities_of_samples
from training import Prediction, average


def predictive(model, hparams, request) -> Prediction:
    return average(map(Prediction, log_probabilities_of_samples(model, hparams, request)))


def predictive_log_probabilities(model, hparams, request):
    return predictive(model, hparams, request).log_probabilities


def state_of(model):
    """Everything that a prediction must leave alone."""
    momenta = [module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    modes = {name: module.training for name, module in model.named_modules()}
    return {name: value.clone() for name, value in model.state_dict().items()}, momenta, modes


def assert_untouched(model, before):
    state, momenta, modes = before
    assert all(value.equal(state[name]) for name, value in model.state_dict().items())
    assert state_of(model)[1:] == (momenta, modes)
    assert not any(tensor.variable in tensor.layer.__dict__ for tensor in variational_tensors(model))


@pytest.fixture
def trained_pair(small_pair, small_batch):
    """The small networks with BatchNorm statistics that are neither the initial ones nor any batch's."""
    deterministic, bayesian = small_pair()
    for model in (deterministic, bayesian):
        model.bn.running_mean.copy_(torch.tensor([0.5, -0.3, 0.1]))
        model.bn.running_var.copy_(torch.tensor([2.0, 0.7, 1.3]))
        model.bn.num_batches_tracked.fill_(17)
    return deterministic, bayesian


@pytest.mark.parametrize(
    "asked, samples", [({"samples": 1}, 1), ({"samples": 3}, 3), ({"samples": 2, "evaluation_samples": 3}, 3)]
)
@pytest.mark.parametrize("mode", BATCHNORM_MODES)
def test_probabilities_are_the_softmax_averaged_over_the_weights_drawn(
    trained_pair, small_batch, make_hparams, make_request, watch, mode, asked, samples
):
    deterministic, bayesian = trained_pair
    batches = [small_batch(4, seed=2)[0], small_batch(3, seed=3)[0]]
    calibration = tuple(small_batch(5, seed=seed)[0] for seed in (4, 5))
    draws = watch(bayesian)
    request = make_request(*batches, calibration=calibration)
    prediction = predictive(bayesian, make_hparams(batchnorm=mode, **asked), request)
    found = prediction.log_probabilities
    assert len(draws.samples) == samples
    total, entropies = 0, 0
    for weights in draws.samples:
        network = copy.deepcopy(deterministic)
        if mode == "recalibrated":
            network.bn.momentum, network.bn.num_batches_tracked = None, torch.tensor(0)
            for images in calibration:
                functional_call(network.train(), weights, (images,))
        network.train(mode == "batch")
        own = torch.cat([functional_call(network, weights, (images,)).softmax(1) for images in batches])
        total, entropies = total + own, entropies - (own * own.log()).sum(1)
    assert found.shape == (7, 4)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp(), (total / samples).float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(7))
    if samples == 1:
        assert prediction.sample_entropies is None
    else:
        torch.testing.assert_close(prediction.sample_entropies, (entropies / samples).double(), rtol=1e-5, atol=1e-6)


def test_probabilities_too_small_for_float32_keep_their_logarithm(small_pair, small_batch, make_hparams, make_request):
    _, bayesian = small_pair()
    with torch.no_grad():
        bayesian.fc._weight_mean[0] += 1000
        bayesian.fc._weight_log_std.fill_(-10)
    found = predictive_log_probabilities(bayesian, make_hparams(batchnorm="running"), make_request(small_batch(20)[0]))
    assert found.isfinite().all()
    assert found.min() < -200


@pytest.mark.parametrize("mode", ["recalibrated", "running"])
def test_a_prediction_depends_neither_on_the_batch_size_nor_on_what_else_is_asked(
    make_network, make_hparams, make_request, images_for, mode
):
    model = make_network("cifar_resnet_8_4", init_std=1.0)
    images, hparams = images_for("cifar_resnet_8_4", 9), make_hparams(batchnorm=mode)
    calibration = images_for("cifar_resnet_8_4", 16, seed=1).split(8)

    def predict(*batches):
        return predictive_log_probabilities(model, hparams, make_request(*batches, calibration=calibration))

    together = predict(images)
    torch.testing.assert_close(predict(*images.split(4)), together, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(predict(*images.split(1)), together, rtol=1e-4, atol=1e-4)
    among_others = torch.cat([images[:3], 5 * images_for("cifar_resnet_8_4", 6, seed=2)])
    torch.testing.assert_close(predict(among_others)[:3], together[:3], rtol=1e-4, atol=1e-4)


def test_with_batch_statistics_a_prediction_depends_on_the_rest_of_its_batch(
    make_network, make_hparams, make_request, images_for
):
    model = make_network("cifar_resnet_8_4", init_std=1.0)
    images, hparams = images_for("cifar_resnet_8_4", 9), make_hparams(batchnorm="batch")
    together = predictive_log_probabilities(model, hparams, make_request(images))
    apart = predictive_log_probabilities(model, hparams, make_request(*images.split(4)))
    assert (together - apart).abs().max() > 0.01


def test_recalibration_uses_the_calibration_images_and_running_statistics_do_not(
    trained_pair, small_batch, make_hparams, make_request
):
    _, bayesian = trained_pair
    images = small_batch(4)[0]
    calibrations = [(small_batch(5, seed=2)[0],), (3 * small_batch(5, seed=3)[0] + 1,)]
    for mode, differs in (("recalibrated", True), ("running", False), ("batch", False)):
        one, other = (
            predictive_log_probabilities(bayesian, make_hparams(batchnorm=mode), make_request(images, calibration=c))
            for c in calibrations
        )
        assert one.equal(other) != differs, mode


@pytest.mark.parametrize("mode", BATCHNORM_MODES)
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_the_network_is_left_as_it_was(trained_pair, small_batch, make_hparams, make_request, mode, training):
    _, bayesian = trained_pair
    bayesian.train(training)
    before = state_of(bayesian)
    request = make_request(small_batch()[0], calibration=(small_batch(seed=2)[0],))
    predictive_log_probabilities(bayesian, make_hparams(batchnorm=mode), request)
    assert_untouched(bayesian, before)


@pytest.mark.parametrize("mode", BATCHNORM_MODES)
def test_a_layer_in_another_mode_than_the_network_stays_in_it(
    trained_pair, small_batch, make_hparams, make_request, mode
):
    _, bayesian = trained_pair
    bayesian.train().bn.eval()
    before = state_of(bayesian)
    request = make_request(small_batch()[0], calibration=(small_batch(seed=2)[0],))
    predictive_log_probabilities(bayesian, make_hparams(batchnorm=mode), request)
    assert_untouched(bayesian, before)


@pytest.mark.parametrize("mode", BATCHNORM_MODES)
def test_the_network_is_left_as_it_was_even_when_the_images_cannot_be_had(
    trained_pair, small_batch, make_hparams, make_request, mode
):
    _, bayesian = trained_pair
    bayesian.train()
    before = state_of(bayesian)

    def broken():
        yield small_batch()[0]
        raise OSError("the disk is gone")

    request = replace(make_request(calibration=(small_batch(seed=2)[0],)), images=broken)
    with pytest.raises(OSError, match="the disk is gone"):
        predictive_log_probabilities(bayesian, make_hparams(batchnorm=mode), request)
    assert_untouched(bayesian, before)


def test_the_same_request_gives_the_same_bits_and_another_occasion_others(
    make_network, make_hparams, make_request, images_for
):
    model, images = make_network("mnist_lenet_12", init_std=1.0), images_for("mnist_lenet_12", 5)

    def predict(occasion):
        return predictive_log_probabilities(model, make_hparams(), make_request(images, occasion=occasion))

    torch.manual_seed(0)
    first = predict("10/")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert predict("10/").equal(first)
    assert torch.get_rng_state().equal(before)
    assert not predict("11/").allclose(first)
    assert not predict("10/again").allclose(first)


def test_no_gradient_is_tracked(make_network, make_hparams, make_request, images_for):
    model = make_network("mnist_lenet_12")
    found = predictive_log_probabilities(model, make_hparams(), make_request(images_for("mnist_lenet_12", 2)))
    assert not found.requires_grad
