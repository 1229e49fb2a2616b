"""Local reparameterisation: Linear layers sample their outputs, from the distribution that their weights imply."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from bayesian.adapter import convert, linear_outputs_sampled, variational_tensors
from bayesian.elbo import Elbo
from bayesian.posterior import Posterior
from bayesian.prediction import log_probabilities_of_samples
from foundations.randomness import default_generator_seeded
from foundations.step import Step
from pruning import Mask, MaskEnforcement, PrunableParameter, apply_mask
from tests.open_lth.running import LENET, Workplace, is_kept, mask, measures, weights

DRAWS = 20_000
LOCAL = "local_reparameterization"


def converted(model: nn.Module, std: float = 0.3) -> nn.Module:
    """Convert a network; its stds are all different."""
    with default_generator_seeded(0):
        for parameter in model.parameters():
            nn.init.uniform_(parameter, -0.7, 0.7)
        convert(model, lambda fan_in: 0.01 * (3 * fan_in) ** -0.5)
        with torch.no_grad():
            for tensor in variational_tensors(model):
                tensor.log_std.uniform_(-0.5, 0.5).add_(math.log(std))
    return model


@pytest.fixture(params=[True, False], ids=["bias", "no bias"])
def layer(request) -> nn.Module:
    """One Linear layer of three inputs and two outputs."""
    return converted(nn.Sequential(nn.Linear(3, 2, bias=request.param)))


@pytest.fixture
def convolutional() -> nn.Module:
    """A network without any Linear layer."""
    return converted(nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Conv2d(3, 4, 2), nn.Flatten()))


@pytest.fixture
def mixed() -> nn.Module:
    """A convolution and two Linear layers."""
    parts = (nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 4))
    return converted(nn.Sequential(*parts), std=0.1)


@pytest.fixture
def small() -> tuple[Tensor, Tensor]:
    """Images (8, 2, 4, 4) and labels."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 2, 4, 4, generator=generator), torch.randint(4, (8,), generator=generator)


def gradient(model: nn.Module, elbo: Elbo, batch: tuple[Tensor, Tensor], iteration: int) -> Tensor:
    """Return the gradient of a step as one vector."""
    model.zero_grad()
    elbo.backward(*batch, Step(iteration, 10**6))
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def outputs_of(model: nn.Module) -> list[Tensor]:
    """Return a list that gets every output of the network."""
    found: list[Tensor] = []
    model.register_forward_hook(lambda _, __, output: found.append(output.detach().clone()))
    return found


def test_outputs_have_the_mean_and_covariance_that_sampled_weights_give(layer):
    """E[y] = x·μ + μ_b and Var[y] = x²·σ² + σ_b²; outputs are independent of each other (Kingma et al. 2015, eq. 6)."""
    weight, *rest = variational_tensors(layer)
    x = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.4]])
    mean, variance = x @ weight.mean.T, x.square() @ weight.log_std.exp().square().T
    for bias in rest:
        mean, variance = mean + bias.mean, variance + bias.log_std.exp().square()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), linear_outputs_sampled(variational_tensors(layer), generator):
        draws = layer(x.repeat(DRAWS, 1)).view(DRAWS, 4)  # (DRAWS, example · unit)
    standardised = ((draws - mean.flatten()) / variance.sqrt().flatten()).detach().double()
    assert standardised.mean(dim=0).abs().max() < 4 / math.sqrt(DRAWS)
    covariance = standardised.T @ standardised / DRAWS
    assert (covariance - torch.eye(4)).abs().max() < 4 * math.sqrt(2 / DRAWS)
    assert (standardised.pow(4).mean(dim=0) - 3).abs().max() < 4 * math.sqrt(96 / DRAWS)


def test_the_outputs_are_a_function_of_the_generators_state(layer):
    def draw(seed: int) -> Tensor:
        with torch.no_grad(), linear_outputs_sampled(variational_tensors(layer), torch.Generator().manual_seed(seed)):
            return layer(torch.ones(5, 3))

    assert draw(0).equal(draw(0))
    assert not draw(0).equal(draw(1))


def test_gradients_are_those_of_the_closed_form_for_the_noise_drawn(layer):
    """With y = m + ε√v for known ε, the gradients of Σy are ∂m/∂μ and ε ∂√v/∂log σ = ε x² σ² / √v."""
    weight = variational_tensors(layer)[0]
    x = torch.tensor([[0.5, -1.0, 2.0]])
    noise = torch.randn(1, 2, generator=torch.Generator().manual_seed(0))
    with linear_outputs_sampled(variational_tensors(layer), torch.Generator().manual_seed(0)):
        layer(x).sum().backward()
    spread = x.square() * weight.log_std.exp().square()  # (2, 3)
    variance = spread.sum(dim=1)
    for bias in variational_tensors(layer)[1:]:
        variance = variance + bias.log_std.exp().square()
    torch.testing.assert_close(weight.mean.grad, x.expand(2, 3))
    torch.testing.assert_close(weight.log_std.grad, (noise[0] / variance.sqrt())[:, None] * spread)


def test_the_gradient_is_on_average_that_of_sampled_weights(mixed, small, make_hparams, circumstances):
    """The two estimators of every gradient agree within their standard errors, in a network with nonlinearities."""
    found = {}
    for estimator in ("weights", LOCAL):
        elbo = Elbo(mixed, make_hparams(estimator=estimator, samples=2, kl_temperature=0.0), circumstances)
        found[estimator] = torch.stack([gradient(mixed, elbo, small, i) for i in range(500)]).double()
    means = {name: table.mean(dim=0) for name, table in found.items()}
    errors = {name: table.var(dim=0) / len(table) for name, table in found.items()}
    z = (means["weights"] - means[LOCAL]) / (errors["weights"] + errors[LOCAL]).sqrt()
    assert z.abs().max() < 5
    assert z.square().mean() < 1.5  # a bias of one standard error in every gradient would make it 2
    assert (means[LOCAL].abs() / errors[LOCAL].sqrt()).median() > 2


def test_without_linear_layers_it_is_the_estimator_that_samples_weights_to_the_bit(
    convolutional, small, make_hparams, circumstances
):
    found = []
    for estimator in ("weights", LOCAL):
        elbo = Elbo(convolutional, make_hparams(estimator=estimator, samples=3), circumstances)
        found.append(gradient(convolutional, elbo, small, 5))
    assert found[0].equal(found[1])


def test_the_first_sample_of_a_convolutions_weights_is_the_one_that_sampled_weights_would_be(
    small_pair, small_batch, make_hparams, circumstances, watch
):
    drawn = []
    for estimator in ("weights", LOCAL):
        _, bayesian = small_pair(torch.float32)
        draws = watch(bayesian)
        hparams = make_hparams(estimator=estimator, samples=1)
        Elbo(bayesian, hparams, circumstances).backward(*small_batch(dtype=torch.float32), Step(0, 1))
        drawn.append(draws.samples[0])
    assert drawn[0]["conv.weight"].equal(drawn[1]["conv.weight"])
    assert drawn[0]["conv.bias"].equal(drawn[1]["conv.bias"])


def test_the_predictive_likelihood_weighs_the_very_samples_that_it_trains_on(mixed, small, make_hparams, circumstances):
    outputs = outputs_of(mixed)
    hparams = make_hparams(estimator=LOCAL, samples=3, likelihood="predictive")
    gradient(mixed, Elbo(mixed, hparams, circumstances), small, 5)
    assert len(outputs) == 6
    for looked_at, trained_on in zip(outputs[:3], outputs[3:], strict=True):
        assert looked_at.equal(trained_on)
    assert not outputs[0].equal(outputs[1]) and not outputs[1].equal(outputs[2])


def test_every_step_draws_noise_of_its_own(mixed, small, make_hparams, circumstances):
    outputs = outputs_of(mixed)
    elbo = Elbo(mixed, make_hparams(estimator=LOCAL, samples=1), circumstances)
    for iteration in (0, 1, 0):
        gradient(mixed, elbo, small, iteration)
    assert outputs[0].equal(outputs[2])
    assert not outputs[0].equal(outputs[1])


def prunable(model: nn.Module) -> dict[str, tuple[PrunableParameter, PrunableParameter]]:
    """Return what a pruned weight of the network is set to."""
    return {
        tensor.name: (PrunableParameter(tensor.mean, 0.0), PrunableParameter(tensor.log_std, -math.inf))
        for tensor in variational_tensors(model)
        if tensor.variable == "weight"
    }


def half_pruned(model: nn.Module) -> Mask:
    """Return a mask of about half of the weights, in which the first unit of every layer is wholly pruned."""
    generator = torch.Generator().manual_seed(3)
    shapes = {name: parts[0].parameter.shape for name, parts in prunable(model).items()}
    masks = {name: (torch.rand(shape, generator=generator) > 0.5).int() for name, shape in shapes.items()}
    for tensor in masks.values():
        tensor[0] = 0
    return Mask(masks)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_pruned_weights_stay_pruned_and_leave_no_trace_in_the_optimiser(
    mixed, small, make_hparams, circumstances, optimizer
):
    pruned = half_pruned(mixed)
    apply_mask(prunable(mixed), pruned)
    stepping = optimizer(mixed.parameters(), lr=0.01, **({} if optimizer is torch.optim.Adam else {"momentum": 0.9}))
    MaskEnforcement(stepping, prunable(mixed), pruned)
    before = {tensor.name: tensor.mean.detach().clone() for tensor in variational_tensors(mixed)}
    elbo = Elbo(mixed, make_hparams(estimator=LOCAL), circumstances)
    for iteration in range(5):
        assert gradient(mixed, elbo, small, iteration).isfinite().all()
        stepping.step()
    for tensor in variational_tensors(mixed):
        if tensor.variable != "weight":
            continue
        away = pruned[tensor.name] == 0
        assert not tensor.mean[away].any()
        assert (tensor.log_std[away] == -math.inf).all()
        assert tensor.log_std[~away].isfinite().all()
        assert (tensor.mean[~away] != before[tensor.name][~away]).any()
        for parameter in (tensor.mean, tensor.log_std):
            traces = [value for value in stepping.state[parameter].values() if value.shape == parameter.shape]
            assert traces
            assert all(not trace[away].any() and trace[~away].any() for trace in traces)


@pytest.mark.parametrize("likelihood", ["expected", "predictive"])
def test_a_unit_without_weights_and_bias_outputs_its_mean_and_has_no_nan_anywhere(
    mixed, small, make_hparams, circumstances, likelihood
):
    last = mixed[5]
    with torch.no_grad():
        last._weight_mean[0], last._weight_log_std[0] = 0.0, -math.inf
        last._bias_mean[0], last._bias_log_std[0] = 0.25, -math.inf
    outputs = outputs_of(mixed)
    elbo = Elbo(mixed, make_hparams(estimator=LOCAL, likelihood=likelihood), circumstances)
    assert gradient(mixed, elbo, small, 0).isfinite().all()
    assert all((output[:, 0] == 0.25).all() for output in outputs)
    assert not last._weight_log_std.grad[0].any() and not last._bias_log_std.grad[0].any()
    assert last._weight_log_std.grad[1:].all()


def test_a_whole_layer_can_be_pruned_away(mixed, small, make_hparams, circumstances):
    everything = Mask({name: torch.zeros(parts[0].parameter.shape) for name, parts in prunable(mixed).items()})
    apply_mask(prunable(mixed), everything)
    assert gradient(mixed, Elbo(mixed, make_hparams(estimator=LOCAL), circumstances), small, 0).isfinite().all()


@pytest.mark.parametrize("raises", [False, True])
def test_after_a_step_the_layers_compute_as_before_even_when_it_fails(
    mixed, small, make_hparams, circumstances, raises
):
    posterior, forwards = Posterior.of(mixed), [module.forward for module in mixed]
    sample = posterior.draw(torch.Generator().manual_seed(0))
    with posterior.weights(sample):
        before = mixed(small[0])
    elbo = Elbo(mixed, make_hparams(estimator=LOCAL), circumstances)
    if raises:
        failing = mixed[3].register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("stop")))
        with pytest.raises(RuntimeError, match="stop"):
            elbo.backward(*small, Step(0, 1))
        failing.remove()
    else:
        elbo.backward(*small, Step(0, 1))
    assert [module.forward for module in mixed] == forwards
    with posterior.weights(sample):
        assert mixed(small[0]).equal(before)


def test_evaluation_samples_weights_whatever_training_does(mixed, small, make_hparams, make_request):
    """Every draw is one function of the image: an image repeated gets the same prediction."""
    request = make_request(small[0][:1].repeat(4, 1, 1, 1))
    hparams = [make_hparams(estimator=estimator) for estimator in ("weights", LOCAL)]
    found = [torch.stack(list(log_probabilities_of_samples(mixed, one, request))) for one in hparams]
    assert found[0].equal(found[1])
    torch.testing.assert_close(found[1], found[1][:, :1].expand_as(found[1]))


@pytest.mark.parametrize("likelihood", ["expected", "predictive"])
def test_a_lottery_finds_tickets_with_it(tmp_path, likelihood):
    workplace = Workplace(tmp_path / "results", tmp_path / "data")
    words = (
        "lottery",
        "--levels=1",
        *LENET,
        "--bayesian",
        "--bayesian_samples=2",
        "--lr=0.01",
        f"--bayesian_estimator={LOCAL}",
        f"--bayesian_likelihood={likelihood}",
    )
    workplace.done(*words, "--quiet")
    level = workplace.place(*words) / "level_1" / "main"
    loss = {i: value for name, i, value in measures(level) if name == "test_loss"}
    assert loss[12] < loss[0]
    end, kept = weights(level, "ep2_it0"), mask(level)
    assert all(torch.equal(is_kept(end, name), tensor == 1) for name, tensor in kept.items())


def test_a_layer_applied_at_several_positions_samples_its_weights_as_a_transformer_needs_it():
    layer = nn.Sequential(nn.Linear(8, 3))
    convert(layer, lambda fan_in: 1 / math.sqrt(fan_in))
    posterior, generator = Posterior.of(layer), torch.Generator().manual_seed(0)
    sample = posterior.draw(generator)
    tokens = torch.randn(4, 5, 8)
    with posterior.weights(sample), linear_outputs_sampled(posterior.tensors, generator):
        outputs = layer(tokens)
    weight, bias = posterior.split(sample)
    torch.testing.assert_close(outputs, nn.functional.linear(tokens, weight, bias))
