"""IVON against its paper's equations, written out in NumPy, and what its state goes through."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

import cli
from bayesian.adapter import convert, variational_tensors
from bayesian.elbo import Elbo
from bayesian.hparams import BayesianHparams
from bayesian.ivon import Ivon, add_state, ivon, state_names, state_of
from bayesian.posterior import Posterior
from bayesian.tickets import mean_state
from bayesian.transplant import take_over_deterministic_state
from bayesian.variant import Bayesian
from foundations.errors import InvalidValue, UserError
from foundations.step import Step
from foundations.storage import load_tensors
from models import ModelHparams
from pruning import Mask, MaskEnforcement, prunable_shapes
from tests.bayesian.conftest import NUM_EXAMPLES
from training import Deterministic, TrainingHparams

ADAM = TrainingHparams(optimizer_name="adam", lr=0.01, training_steps="4ep")
SETTINGS = {"weighting": 200.0, "decay": 0.003, "beta1": 0.9, "beta2": 0.7, "rate": 0.05, "plain_rate": 0.01}


@pytest.fixture
def model(small_pair):
    """A convolution, BatchNorm and a linear layer in double precision, narrow enough for IVON, with room for it."""
    _, bayesian = small_pair(std=0.05)
    add_state(bayesian)
    return bayesian


def give_gradients(model, generator):
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


def test_steps_are_those_of_the_papers_equations(model):
    optimizer, generator = Ivon(model, **SETTINGS), torch.Generator().manual_seed(0)
    weighting, decay, beta1, beta2, rate = (SETTINGS[k] for k in ("weighting", "decay", "beta1", "beta2", "rate"))
    [tensor] = [tensor for tensor in variational_tensors(model) if tensor.name == "conv.weight"]
    mean, log_std = (p.detach().numpy().copy() for p in (tensor.mean, tensor.log_std))
    h, momentum = np.exp(-2 * log_std) / weighting - decay, np.zeros_like(mean)
    for t in (1, 2, 3):
        give_gradients(model, generator)
        gradient, std = tensor.mean.grad.numpy().copy(), 1 / np.sqrt(weighting * (h + decay))
        noise = tensor.log_std.grad.numpy() / gradient / std  # for one sample: d/d log std = g noise std
        optimizer.step()
        estimate = gradient * noise / std
        momentum = beta1 * momentum + (1 - beta1) * gradient
        h = beta2 * h + (1 - beta2) * estimate + 0.5 * (1 - beta2) ** 2 * (h - estimate) ** 2 / (h + decay)
        mean = mean - rate * (momentum / (1 - beta1**t) + decay * mean) / (h + decay)
        np.testing.assert_allclose(tensor.mean.detach(), mean, rtol=1e-6)
        np.testing.assert_allclose(tensor.log_std.detach(), -0.5 * np.log(weighting * (h + decay)), rtol=1e-6)
        np.testing.assert_allclose(state_of(tensor)[0], h, rtol=1e-6)


def test_momentum_that_remembers_other_numbers_of_steps_is_corrected_by_its_own(model):
    """As in a pretrained network that gets another output layer."""
    older, new = (t for t in variational_tensors(model) if t.name in ("conv.weight", "fc.weight"))
    state_of(older)[2].fill_(5)
    optimizer = Ivon(model, **{**SETTINGS, "decay": 1e-9})
    give_gradients(model, torch.Generator().manual_seed(0))
    before = [tensor.mean.detach().clone() for tensor in (older, new)]
    optimizer.step()
    for tensor, mean, steps in zip((older, new), before, (6, 1), strict=True):
        share = (1 - SETTINGS["beta1"]) / (1 - SETTINGS["beta1"] ** steps)  # of the gradient, after a momentum of 0
        expected = mean - SETTINGS["rate"] * share * tensor.mean.grad / state_of(tensor)[0]
        torch.testing.assert_close(tensor.mean.detach(), expected, rtol=1e-5, atol=1e-9)


def test_what_is_no_distribution_is_trained_by_adam(model):
    twin = [nn.Parameter(p.detach().clone()) for p in (model.bn.weight, model.bn.bias)]
    own, torchs = Ivon(model, **SETTINGS, plain_decay=0.1), torch.optim.Adam(twin, lr=0.01, weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        give_gradients(model, generator)
        for parameter, of in zip(twin, (model.bn.weight, model.bn.bias), strict=True):
            parameter.grad = of.grad.clone()
        own.step()
        torchs.step()
    torch.testing.assert_close([model.bn.weight, model.bn.bias], twin, rtol=1e-5, atol=1e-6)  # it counts in float32


def test_the_hessian_of_a_quadratic_is_found_and_the_mean_goes_to_its_minimum():
    layer = nn.Sequential(nn.Linear(3, 1, bias=False))
    convert(layer, lambda fan_in: 0.5)
    add_state(layer)
    curvature, minimum = torch.tensor([[0.5, 2.0, 8.0]]), torch.tensor([[1.0, -1.0, 0.5]])
    [tensor] = variational_tensors(layer)
    own = {"weighting": 100.0, "decay": 0.01, "beta1": 0.9, "beta2": 0.999, "rate": 0.03, "plain_rate": 0.0}
    optimizer, generator = Ivon(layer, **own), torch.Generator().manual_seed(0)
    for _ in range(10_000):
        std = tensor.log_std.detach().exp()
        noise = torch.randn(tensor.mean.shape, generator=generator)
        gradient = curvature * (tensor.mean.detach() + std * noise - minimum)
        tensor.mean.grad, tensor.log_std.grad = gradient, gradient * noise * std
        optimizer.step()
    assert state_of(tensor)[0] == pytest.approx(curvature, rel=0.15)
    assert tensor.log_std.exp().detach() == pytest.approx((100 * (curvature + 0.01)) ** -0.5, rel=0.1)
    assert tensor.mean.detach() == pytest.approx(minimum * curvature / (curvature + 0.01), abs=0.15)


def test_the_gradients_are_those_of_the_data_fit_alone(small_pair, small_batch, circumstances, make_hparams):
    def found(**changes):
        _, bayesian = small_pair()
        terms = Elbo(bayesian, make_hparams(**changes), circumstances).backward(*small_batch(), Step(3, 10))
        return terms, [p.grad for p in bayesian.parameters()]

    terms, gradients = found(optimizer="ivon", kl_temperature=0.5)
    fit, of_fit = found(kl_temperature=0.0)
    assert all(one.equal(other) for one, other in zip(gradients, of_fit, strict=True))
    assert terms["loss"] == pytest.approx(float(fit["data_fit"] + 0.5 / NUM_EXAMPLES * fit["kl"]))


def test_a_pruned_weight_stays_pruned_and_keeps_its_hessian(model):
    shapes = prunable_shapes(Bayesian(BayesianHparams()).prunable(model))
    drawn = torch.Generator().manual_seed(0)
    mask = Mask({name: torch.rand(shape, generator=drawn) < 0.5 for name, shape in shapes.items()})
    optimizer = Ivon(model, **SETTINGS)
    MaskEnforcement(optimizer, Bayesian(BayesianHparams()).prunable(model), mask)
    before = {t.name: state_of(t)[0].clone() for t in variational_tensors(model)}
    for _ in range(5):
        give_gradients(model, drawn)
        optimizer.step()
    for tensor in variational_tensors(model):
        if tensor.is_weight:
            pruned, (hessian, momentum, _) = mask[tensor.name] == 0, state_of(tensor)
            assert not tensor.mean[pruned].any() and not tensor.log_std[pruned].exp().any()
            assert hessian[pruned].equal(before[tensor.name][pruned]) and not momentum[pruned].any()
            assert tensor.log_std[~pruned].isfinite().all() and (hessian[~pruned] + SETTINGS["decay"] > 0).all()


def test_a_weight_that_a_later_mask_keeps_gets_the_hessian_of_its_own_std(model):
    [tensor] = [tensor for tensor in variational_tensors(model) if tensor.name == "fc.weight"]
    with torch.no_grad():
        tensor.log_std[0] = -math.inf
    Ivon(model, **SETTINGS)
    assert not state_of(tensor)[0][0].any() and (state_of(tensor)[0][1:] > 0).all()
    with torch.no_grad():
        tensor.log_std[0] = math.log(0.02)
    Ivon(model, **SETTINGS)
    assert state_of(tensor)[0][0] == pytest.approx(1 / (200 * 0.02**2) - 0.003)


def test_its_memory_is_as_long_as_training_unless_it_is_told_otherwise(model, circumstances, make_hparams):
    for steps, told, expected in ((1000, None, 0.995), (20, None, 0.9), (1000, 0.5, 0.5)):
        own = make_hparams(optimizer="ivon", ivon_beta2=told, prior_std=2.0, kl_temperature=0.5)
        found = ivon(model, own, ADAM, dataclasses.replace(circumstances, steps=steps))
        assert found._beta2 == pytest.approx(expected)
        assert found._weighting == pytest.approx(NUM_EXAMPLES / 0.5)
        assert found._decay == pytest.approx(0.5 / (NUM_EXAMPLES * 4))


def test_a_weight_wider_than_its_prior_allows_is_refused(small_pair):
    _, bayesian = small_pair(std=0.5)
    add_state(bayesian)
    with pytest.raises(UserError, match=r"conv\.weight: .*std of [\d.]+, .*too wide for IVON .*--bayesian_init_std"):
        Ivon(bayesian, **{**SETTINGS, "decay": 0.1})


@pytest.mark.parametrize(
    "changes, flag",
    [
        ({"optimizer": "vogn"}, "optimizer"),
        ({"optimizer": "ivon", "kl_warmup": "1ep"}, "kl_warmup"),
        ({"optimizer": "ivon", "std_lr_factor": 10.0}, "std_lr_factor"),
        ({"optimizer": "ivon", "kl_temperature": 0.0}, "kl_temperature"),
        ({"ivon_lr": 0.0}, "ivon_lr"),
        ({"ivon_beta1": 1.0}, "ivon_beta1"),
        ({"ivon_beta2": -0.1}, "ivon_beta2"),
        ({"ivon_lr": 0.2}, "ivon_lr=0.2: has no meaning for --bayesian_optimizer=bayes_by_backprop"),
    ],
)
def test_what_it_cannot_use_is_refused(changes, flag):
    with pytest.raises(InvalidValue, match=flag):
        BayesianHparams(**changes)


def test_nothing_of_it_enters_a_hash_that_was_there_before():
    assert "ivon" not in str(BayesianHparams()) and "optimizer" not in str(BayesianHparams())


def lenet():
    hparams = ModelHparams(model_name="mnist_lenet_12", model_init="kaiming_uniform", batchnorm_init="uniform")
    return Bayesian(BayesianHparams(optimizer="ivon")), hparams


def test_the_mean_network_is_a_deterministic_one_and_a_deterministic_ticket_can_be_taken_over():
    variant, hparams = lenet()
    network, plain = variant.build(hparams, 10, seed=0), Deterministic().build(hparams, 10, seed=1)
    assert mean_state(network, None).keys() == plain.state_dict().keys()
    take_over_deterministic_state(network, plain.state_dict())
    assert Posterior.of(network).tensors[0].mean.equal(next(plain.parameters()))


def test_what_it_remembers_is_saved_with_the_network_and_taken_apart_and_put_together_again():
    variant, hparams = lenet()
    network, other = (variant.build(hparams, 10, seed) for seed in (0, 1))
    assert len(state_names(network)) == 3 * len(variational_tensors(network))
    optimizer, generator = Ivon(network, **SETTINGS), torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.grad = 0.01 * torch.randn(parameter.shape, generator=generator)
    optimizer.step()
    variant.restore(other, variant.deterministic_state(network, list), variant.further_state(network))
    assert state_names(network) <= other.state_dict().keys()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor)


def test_rewinding_rewinds_what_it_remembers(tmp_path):
    words = "lottery --default_hparams=mnist_lenet_12 --bayesian --bayesian_optimizer=ivon --bayesian_samples=1"
    rest = "--dataset_name=digits --subsample_fraction=0.1 --batch_size=8 --training_steps=6it --milestone_steps=5it"
    where = ("--rewinding_steps=4it", "--levels=1", f"--root={tmp_path}", "--quiet")
    code = cli.main([*words.split(), *rest.split(), *where])
    assert code == 0
    [pretrained], [level] = (list(tmp_path.glob(f"*/*/{place}")) for place in ("level_pretrain/main", "level_1/main"))
    kept, rewound = load_tensors(pretrained / "model_ep0_it4.pth"), load_tensors(level / "model_ep0_it4.pth")
    names = [name for name in kept if name.endswith(("hessian", "momentum", "age"))]
    assert names and all(rewound[name].equal(kept[name]) and kept[name].any() for name in names)
    assert not load_tensors(level / "model_ep0_it6.pth")[names[0]].equal(kept[names[0]])
