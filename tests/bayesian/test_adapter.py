"""Conversion to torch-blue's layers, and putting a sample of our own in place of theirs."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from scipy import stats
from torch import nn
from torch.func import functional_call
from torch_blue import vi

from bayesian.adapter import convert, variational_tensors, weights_in_place
from bayesian.hparams import BayesianHparams
from bayesian.posterior import Posterior
from bayesian.variant import BAYESIAN, Bayesian
from models import ModelHparams, build_network, prunable_layers

NUM_CLASSES = 10
LAYERS = {nn.Linear: vi.VILinear, nn.Conv2d: vi.VIConv2d}


INIT_STD = 0.25


@pytest.fixture(scope="module")
def pair(any_model):
    """A deterministic network and the Bayesian one of the same seed; tests leave their parameters alone."""
    hparams = ModelHparams(model_name=any_model, model_init="kaiming_uniform", batchnorm_init="uniform")
    variant = Bayesian(BayesianHparams(variant_name=BAYESIAN, init_std=INIT_STD))
    return build_network(hparams, NUM_CLASSES, seed=0), variant.build(hparams, NUM_CLASSES, seed=0)


def sample_of(model, seed=0):
    posterior = Posterior.of(model)
    flat = posterior.draw(torch.Generator().manual_seed(seed))
    return dict(zip([t.name for t in posterior.tensors], posterior.split(flat), strict=True))


def test_every_linear_and_conv2d_becomes_torch_blues_layer_and_nothing_else_changes(pair):
    before, after = ({name: type(module) for name, module in model.named_modules()} for model in pair)
    assert after == {name: LAYERS.get(kind, kind) for name, kind in before.items()}
    assert not set(after.values()) & set(LAYERS)


def test_a_converted_layer_computes_with_the_same_stride_padding_and_groups():
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, padding_mode="reflect")
    images = torch.randn(2, 4, 9, 9)
    expected = convolution(images)
    model = nn.Sequential(convolution)
    convert(model, lambda fan_in: 0.01)
    tensors = variational_tensors(model)
    with weights_in_place(tensors, [t.mean for t in tensors]):
        assert model(images).equal(expected)


def test_means_are_bit_equal_to_the_deterministic_weights_of_the_same_seed(pair):
    deterministic, model = pair
    means = {tensor.name: tensor.mean for tensor in variational_tensors(model)}
    rest = dict(model.named_parameters())
    for name, weight in deterministic.named_parameters():
        assert means.get(name, rest.get(name)).equal(weight), name


def test_what_is_no_weight_of_a_layer_stays_deterministic_under_its_own_name(pair):
    deterministic, model = pair
    distributed = {tensor.name for tensor in variational_tensors(model)}
    rest = set(deterministic.state_dict()) - distributed
    own = {name for tensor in variational_tensors(model) for names in tensor.state_names.values() for name in names}
    assert set(model.state_dict()) == rest | own
    assert not rest & own


def test_stds_start_at_the_factor_times_torch_blues_scale_of_the_layer_for_weights_and_biases(pair):
    deterministic, model = pair
    tensors = {tensor.name: tensor for tensor in variational_tensors(model)}
    for name, layer in deterministic.named_modules():
        if type(layer) not in LAYERS:
            continue
        fan_in = layer.weight[0].numel()
        for variable, _ in layer.named_parameters():
            std = tensors.pop(f"{name}.{variable}").log_std.exp()
            expected = INIT_STD * (1 / math.sqrt(fan_in) + 1e-5)
            assert std.min() > expected * (1 - 1e-5)
            assert std.max() < expected * (1 + 1e-5)
    assert not tensors


def test_a_network_under_the_papers_curriculum_starts_as_torch_blue_starts_it(any_model):
    """Log stds to the last bits, means in distribution: uniform within one over the root of the fan-in."""
    hparams = ModelHparams(model_name=any_model, model_init="torch_default", batchnorm_init="uniform")
    ours = {t.name: t for t in variational_tensors(Bayesian(make_default()).build(hparams, NUM_CLASSES, seed=0))}
    deterministic = build_network(hparams, NUM_CLASSES, seed=1)
    for name, layer in prunable_layers(deterministic).items():
        bound, alone = 1 / math.sqrt(layer.weight[0].numel()), copy.deepcopy(layer)
        vi.convert_to_vimodule(alone, variational_distribution=vi.distributions.MeanFieldNormal(std=0.01))
        for variable, _ in layer.named_parameters():
            theirs = dict(zip(("mean", "log_std"), alone.get_variational_parameters(variable), strict=True))
            own = ours[f"{name}.{variable}"]
            torch.testing.assert_close(own.log_std, theirs["log_std"])
            for mean in (own.mean, theirs["mean"]):
                assert mean.abs().max() <= bound * (1 + 1e-6)
                if mean.numel() > 50:
                    scaled = (mean.detach().flatten() / bound).numpy()
                    assert stats.kstest(scaled, "uniform", (-1, 2)).pvalue > 1e-4


def make_default() -> BayesianHparams:
    return BayesianHparams(variant_name=BAYESIAN)


def test_the_prior_is_the_standard_normal(pair):
    tensors = variational_tensors(pair[1])
    assert tensors
    priors = [tensor.layer.prior[tensor.variable] for tensor in tensors]
    assert all(prior.mean == 0.0 and prior.std == 1.0 for prior in priors)
    assert {type(t.layer.prior[t.variable]) for t in tensors} == {vi.distributions.MeanFieldNormal}


def test_state_dict_names_are_torch_blues(make_network):
    names = list(make_network("mnist_lenet_12").state_dict())
    assert names == [
        f"{layer}.{name}"
        for layer in ("fc_layers.0", "fc")
        for name in ("_weight_mean", "_weight_log_std", "_bias_mean", "_bias_log_std")
    ]


def test_a_layer_without_bias_has_no_variational_bias(make_network):
    tensors = variational_tensors(make_network("cifar_resnet_8_4"))
    assert [tensor.name for tensor in tensors if tensor.variable == "bias"] == ["fc.bias"]


def test_means_and_log_stds_of_frozen_parts_are_frozen(make_network):
    model = make_network("cifar_resnet_8_4", others_frozen=True)
    trainable = {t.name for t in variational_tensors(model) if t.mean.requires_grad}
    assert trainable == {t.name for t in variational_tensors(model) if t.log_std.requires_grad}
    assert trainable == {"fc.weight", "fc.bias"}
    model = make_network("cifar_resnet_8_4", output_frozen=True)
    frozen = {t.name for t in variational_tensors(model) if not (t.mean.requires_grad or t.log_std.requires_grad)}
    assert frozen == {"fc.weight", "fc.bias"}


def test_one_exempted_weight_stays_trainable_beside_its_frozen_neighbours(make_network):
    model = make_network("mnist_lenet_12", others_frozen=True, others_frozen_exceptions="fc_layers.0.bias")
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name in trainable if name.startswith("fc_layers")} == {
        "fc_layers.0._bias_mean",
        "fc_layers.0._bias_log_std",
    }


def test_building_leaves_torchs_global_generator_alone_and_depends_on_the_seed_alone(make_network):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = make_network("mnist_lenet_12", seed=3).state_dict()
    assert torch.get_rng_state().equal(before)
    torch.rand(7)
    second = make_network("mnist_lenet_12", seed=3).state_dict()
    assert all(first[name].equal(second[name]) for name in first)
    assert not first["fc._weight_mean"].equal(make_network("mnist_lenet_12", seed=4).state_dict()["fc._weight_mean"])


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_with_a_sample_in_place_the_network_is_the_deterministic_one_with_these_weights(
    any_model, pair, images_for, training
):
    deterministic, model = (copy.deepcopy(network).train(training) for network in pair)
    sample, images = sample_of(model), images_for(any_model, 2)
    with torch.no_grad():
        posterior = Posterior.of(model)
        with posterior.weights(posterior.join(list(sample.values()))):
            found = model(images)
        expected = functional_call(deterministic, sample, (images,))
    assert type(found) is torch.Tensor
    assert found.shape == (2, NUM_CLASSES)
    assert found.equal(expected)
    for name, buffer in deterministic.named_buffers():
        assert model.get_buffer(name).equal(buffer), name


@pytest.mark.parametrize("name", ["mnist_lenet_12", "cifar_resnet_8_4"])
def test_no_layer_maps_over_samples_or_takes_the_fast_path_when_log_probabilities_are_off(
    make_network, images_for, name
):
    model = make_network(name, init_std=1.0).eval()
    for tensor in variational_tensors(model):
        tensor.layer.return_log_probs = False
    sample, images = list(sample_of(model).values()), images_for(name, 2)
    before = torch.get_rng_state()
    with torch.no_grad(), weights_in_place(variational_tensors(model), sample):
        first, second = model(images), model(images)
    assert first.shape == (2, NUM_CLASSES)
    assert first.equal(second)
    assert torch.get_rng_state().equal(before)


def test_after_the_block_torch_blue_samples_anew_at_every_access(make_network):
    model = make_network("mnist_lenet_12", init_std=1.0)
    layer, tensors = model.fc, variational_tensors(model)
    with weights_in_place(tensors, list(sample_of(model).values())):
        assert layer.weight is layer.weight
    torch.manual_seed(0)
    first, second = layer.weight, layer.weight
    assert not first.equal(second)
    standardised = (torch.stack([layer.weight for _ in range(200)]) - layer._weight_mean) / layer._weight_log_std.exp()
    assert abs(standardised.mean()) < 4 / math.sqrt(standardised.numel())
    assert abs(standardised.square().mean() - 1) < 4 * math.sqrt(2 / standardised.numel())


def test_torch_blues_own_sampling_is_back_even_when_the_block_raises(make_network):
    model = make_network("mnist_lenet_12")
    tensors = variational_tensors(model)
    with pytest.raises(RuntimeError, match="stop"), weights_in_place(tensors, list(sample_of(model).values())):
        raise RuntimeError("stop")
    assert not any(tensor.variable in tensor.layer.__dict__ for tensor in tensors)


def test_too_few_tensors_are_refused_and_none_stays_in_place(make_network):
    model = make_network("mnist_lenet_12")
    tensors = variational_tensors(model)
    with pytest.raises(ValueError, match="shorter"), weights_in_place(tensors, list(sample_of(model).values())[:-1]):
        pass
    assert not any(tensor.variable in tensor.layer.__dict__ for tensor in tensors)


def test_the_state_dict_is_the_same_inside_the_block(make_network):
    model = make_network("cifar_resnet_8_4")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with weights_in_place(variational_tensors(model), list(sample_of(model).values())):
        inside = model.state_dict()
        assert list(inside) == list(before)
        assert all(inside[name].equal(before[name]) for name in before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copied_or_pickled_network_computes_the_same_on_its_own_weights(make_network, images_for, copied):
    model = make_network("cifar_resnet_8_4", init_std=0.5).eval()
    sample, images = list(sample_of(model).values()), images_for("cifar_resnet_8_4", 2)
    with torch.no_grad(), weights_in_place(variational_tensors(model), sample):
        expected = model(images)
    twin = copied(model)
    with torch.no_grad(), weights_in_place(variational_tensors(twin), sample):
        assert twin(images).equal(expected)
        assert not any(tensor.variable in tensor.layer.__dict__ for tensor in variational_tensors(model))
    with torch.no_grad():
        twin.fc._weight_mean.add_(1)
    assert not twin.fc._weight_mean.equal(model.fc._weight_mean)


def test_canonical_names_are_those_of_the_deterministic_network(pair):
    deterministic, model = pair
    names = [tensor.name for tensor in variational_tensors(model)]
    modules = [f"{name}." if name else "" for name, module in deterministic.named_modules() if type(module) in LAYERS]
    expected = [name for name, _ in deterministic.named_parameters() if name.rpartition(".")[0] + "." in modules]
    assert sorted(names) == sorted(expected)
