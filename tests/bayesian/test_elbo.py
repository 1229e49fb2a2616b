"""The gradient of the tempered ELBO against plain autograd over all samples in one graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.func import functional_call
from torch.nn import functional as F

from bayesian.adapter import variational_tensors
from bayesian.elbo import Elbo
from bayesian.hparams import LIKELIHOODS
from bayesian.variant import Bayesian
from foundations.randomness import RandomStreams
from foundations.step import Step
from pruning import Mask, apply_mask

STEP = Step(3, 10)


def reference(deterministic, bayesian, noise, batch, hparams, tempering):
    """The loss of section 3 written down with autograd, the KL term by torch.distributions over unpruned weights."""
    images, labels = batch
    rest = {name: p for name, p in bayesian.named_parameters() if "_mean" not in name and "_log_std" not in name}
    log_likelihoods, probabilities = [], []
    for drawn in noise:
        weights = {t.name: t.mean + t.log_std.exp() * drawn[t.name].nan_to_num() for t in variational_tensors(bayesian)}
        logits = functional_call(deterministic, {**weights, **rest}, (images,))
        log_likelihoods.append(logits.log_softmax(1)[torch.arange(len(labels)), labels])
        probabilities.append(logits.softmax(1))
    stacked = torch.stack(log_likelihoods)  # (S, B)
    data_fit = -stacked.mean() if hparams.likelihood == "expected" else -stacked.exp().mean(0).log().mean()
    kl = torch.zeros((), dtype=images.dtype)
    for tensor in variational_tensors(bayesian):
        kept = tensor.log_std.isfinite()
        posterior = Normal(tensor.mean[kept], tensor.log_std[kept].exp())
        kl = kl + kl_divergence(posterior, Normal(0.0, hparams.prior_std)).sum()
    accuracy = (torch.stack(probabilities).mean(0).argmax(1) == labels).double().mean()
    terms = {"data_fit": data_fit, "kl": kl, "loss": data_fit + tempering * kl, "accuracy": accuracy}
    return terms["loss"], {name: term.detach() for name, term in terms.items()}


def gradients(model: nn.Module) -> Mapping[str, Tensor | None]:
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def assert_brute_force_agrees(pair, batch, hparams, circumstances, watch, tolerance):
    """Compare every gradient and every term that `backward` returns."""
    deterministic, bayesian = (model.train() for model in pair)
    draws = watch(bayesian)
    terms = Elbo(bayesian, hparams, circumstances).backward(*batch, STEP)
    found, noise = gradients(bayesian), draws.noise()
    if hparams.likelihood == "predictive":
        first, noise = noise[: hparams.samples], noise[-hparams.samples :]
        for one, other in zip(first, noise, strict=True):
            assert all(one[name].equal(other[name]) or one[name].isnan().any() for name in one)
    assert len(noise) == hparams.samples
    bayesian.zero_grad()
    tempering = hparams.kl_temperature / circumstances.num_examples
    loss, expected_terms = reference(deterministic, bayesian, noise, batch, hparams, tempering)
    loss.backward()
    expected = gradients(bayesian)
    assert {name for name in found if found[name] is None} == {name for name in expected if expected[name] is None}
    for name, gradient in expected.items():
        if gradient is not None:
            assert gradient.abs().max() > 1e-3, name
            torch.testing.assert_close(found[name], gradient, rtol=tolerance, atol=tolerance, msg=name)
    assert terms.keys() == expected_terms.keys()
    for name, term in terms.items():
        assert not term.requires_grad
        torch.testing.assert_close(term.double(), expected_terms[name].double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-5), (torch.float32, 1e-4)], ids=str)
@pytest.mark.parametrize("estimator", ["weights", "antithetic"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gradients_and_terms_are_those_of_autograd_over_all_samples_at_once(
    small_pair, small_batch, make_hparams, circumstances, watch, likelihood, estimator, dtype, tolerance
):
    hparams = make_hparams(samples=4, likelihood=likelihood, estimator=estimator, kl_temperature=2.0, prior_std=0.5)
    batch = small_batch(dtype=dtype)
    assert_brute_force_agrees(small_pair(dtype), batch, hparams, circumstances, watch, tolerance)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_frozen_means_and_log_stds_get_no_gradient_and_the_rest_is_as_before(
    small_pair, small_batch, make_hparams, circumstances, watch, likelihood
):
    deterministic, bayesian = small_pair()
    for tensor in variational_tensors(bayesian):
        if tensor.name.startswith("conv."):
            tensor.mean.requires_grad_(False)
            tensor.log_std.requires_grad_(False)
    bayesian.bn.bias.requires_grad_(False)
    hparams = make_hparams(samples=3, likelihood=likelihood, kl_temperature=2.0)
    assert_brute_force_agrees((deterministic, bayesian), small_batch(), hparams, circumstances, watch, 1e-5)
    assert [name for name, p in bayesian.named_parameters() if p.grad is None] == [
        "conv._weight_mean",
        "conv._weight_log_std",
        "conv._bias_mean",
        "conv._bias_log_std",
        "bn.bias",
    ]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_under_a_mask_the_kept_weights_have_autograds_gradients_and_pruned_log_stds_exactly_none(
    small_pair, small_batch, make_hparams, circumstances, watch, likelihood
):
    deterministic, bayesian = small_pair()
    hparams = make_hparams(samples=3, likelihood=likelihood, kl_temperature=2.0)
    prunable = Bayesian(hparams).prunable(bayesian)
    generator = torch.Generator().manual_seed(0)
    mask = Mask(
        {name: torch.rand(parts[0].parameter.shape, generator=generator) < 0.5 for name, parts in prunable.items()}
    )
    apply_mask(prunable, mask)
    pruned = {parts[1].parameter: mask[name] == 0 for name, parts in prunable.items()}
    by_name = {name: pruned[p] for name, p in bayesian.named_parameters() if p in pruned}
    assert all(entry.any() and not entry.all() for entry in by_name.values())

    assert_brute_force_agrees((deterministic, bayesian), small_batch(), hparams, circumstances, watch, 1e-5)
    bayesian.zero_grad()
    terms = Elbo(bayesian, hparams, circumstances).backward(*small_batch(), STEP)
    assert all(term.isfinite() for term in terms.values())
    for name, parameter in bayesian.named_parameters():
        assert parameter.grad.isfinite().all(), name
        if name in by_name:
            assert not parameter.grad[by_name[name]].any()


def test_a_pruned_mean_gets_nothing_from_the_kl_term(small_pair, small_batch, make_hparams, circumstances):
    found = []
    for temperature in (0.0, 1e3):
        _, bayesian = small_pair()
        with torch.no_grad():
            bayesian.fc._weight_mean[:, ::2] = 0.0
            bayesian.fc._weight_log_std[:, ::2] = -math.inf
        Elbo(bayesian, make_hparams(kl_temperature=temperature), circumstances).backward(*small_batch(), STEP)
        found.append(bayesian.fc._weight_mean.grad)
    assert found[0][:, ::2].equal(found[1][:, ::2])
    assert not found[0][:, 1::2].allclose(found[1][:, 1::2])


def test_the_kl_term_weighs_temperature_over_the_number_of_training_examples(
    small_pair, small_batch, make_hparams, circumstances
):
    _, bayesian = small_pair()
    elbos = [Elbo(bayesian, make_hparams(kl_temperature=t), circumstances) for t in (0.0, 0.1, 1.0)]
    without, paper, full = (elbo.backward(*small_batch(), STEP) for elbo in elbos)
    assert without["loss"].equal(without["data_fit"])
    for terms, temperature in ((paper, 0.1), (full, 1.0)):
        assert terms["data_fit"].equal(without["data_fit"])
        expected = without["kl"] * temperature / circumstances.num_examples
        torch.testing.assert_close(terms["loss"] - terms["data_fit"], expected, rtol=1e-5, atol=1e-6)


def test_the_temperature_is_that_of_the_step_in_loss_and_gradient(small_pair, small_batch, make_hparams, circumstances):
    """Four iterations into a rise over eight, T is half of what it will be; the same objective serves every step."""
    _, rising = small_pair()
    elbo = Elbo(rising, make_hparams(kl_temperature=2.0, kl_warmup="8it"), circumstances)
    elbo.backward(*small_batch(), Step(2, 10))
    rising.zero_grad()
    terms, found = elbo.backward(*small_batch(), Step(4, 10)), gradients(rising)
    _, constant = small_pair()
    expected = Elbo(constant, make_hparams(kl_temperature=1.0), circumstances).backward(*small_batch(), Step(4, 10))
    assert terms["loss"].equal(expected["loss"])
    for name, gradient in gradients(constant).items():
        torch.testing.assert_close(found[name], gradient, rtol=0, atol=0)


def test_the_same_step_draws_the_same_weights_and_another_step_or_replicate_others(
    small_pair, small_batch, make_hparams, circumstances
):
    def gradient(run, step):
        _, bayesian = small_pair()
        Elbo(bayesian, make_hparams(), run).backward(*small_batch(), step)
        return bayesian.fc._weight_mean.grad

    again = replace(circumstances, streams=RandomStreams(2))
    assert gradient(circumstances, STEP).equal(gradient(circumstances, STEP))
    assert not gradient(circumstances, STEP).allclose(gradient(circumstances, STEP.next()))
    assert not gradient(circumstances, STEP).allclose(gradient(again, STEP))


def test_gradients_are_added_to_those_that_are_there(small_pair, small_batch, make_hparams, circumstances):
    _, bayesian = small_pair()
    elbo = Elbo(bayesian, make_hparams(), circumstances)
    elbo.backward(*small_batch(), STEP)
    once = gradients(bayesian)
    elbo.backward(*small_batch(), STEP)
    for name, gradient in gradients(bayesian).items():
        torch.testing.assert_close(gradient, 2 * once[name])


@pytest.mark.parametrize("estimator", ["weights", "local_reparameterization"])
def test_the_passes_that_weigh_the_predictive_likelihood_leave_batchnorm_alone(
    small_pair, small_batch, make_hparams, circumstances, estimator
):
    """Either likelihood trains on the same passes, so it leaves the same running statistics."""
    found = {}
    for likelihood in LIKELIHOODS:
        _, bayesian = small_pair(torch.float32)
        hparams = make_hparams(samples=3, likelihood=likelihood, estimator=estimator)
        Elbo(bayesian.train(), hparams, circumstances).backward(*small_batch(dtype=torch.float32), STEP)
        found[likelihood] = dict(bayesian.bn.named_buffers())
    assert int(found["predictive"]["num_batches_tracked"]) == 3
    assert all(buffer.equal(found["expected"][name]) for name, buffer in found["predictive"].items())
    assert found["predictive"]["running_mean"].any()


def test_for_small_stds_the_two_likelihoods_have_one_gradient_and_for_large_ones_two(
    small_pair, small_batch, make_hparams, circumstances
):
    def mean_gradient(likelihood, std):
        _, bayesian = small_pair(std=std)
        hparams = make_hparams(likelihood=likelihood, samples=10, kl_temperature=0.0)
        Elbo(bayesian, hparams, circumstances).backward(*small_batch(), STEP)
        return torch.cat([tensor.mean.grad.flatten() for tensor in variational_tensors(bayesian)])

    def relative_difference(std):
        expected, predictive = (mean_gradient(likelihood, std) for likelihood in LIKELIHOODS)
        return (expected - predictive).norm() / expected.norm()

    assert relative_difference(1e-4) < 1e-3
    assert relative_difference(1.0) > 0.2


def test_by_jensen_the_predictive_fit_is_never_worse_than_the_expected_one(
    small_pair, small_batch, make_hparams, circumstances
):
    fits = {}
    for likelihood in LIKELIHOODS:
        _, bayesian = small_pair(std=1.0)
        hparams = make_hparams(likelihood=likelihood, samples=10)
        fits[likelihood] = Elbo(bayesian, hparams, circumstances).backward(*small_batch(), STEP)["data_fit"]
    assert fits["predictive"] < fits["expected"] - 0.05


class SavedForBackward:
    """Inside the block, follows how many bytes autograd holds at once."""

    def __init__(self) -> None:
        self.now = self.peak = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda saved: Held(saved, self), lambda held: held.tensor
        )

    def __enter__(self):
        self._hooks.__enter__()
        return self

    def __exit__(self, *error):
        self._hooks.__exit__(*error)


class Held:
    """A tensor that autograd saved, counted until autograd lets go of it."""

    def __init__(self, tensor: Tensor, meter: SavedForBackward) -> None:
        self.tensor, self.meter = tensor, meter
        self.meter.now += self.tensor.nbytes
        self.meter.peak = max(self.meter.peak, self.meter.now)

    def __del__(self) -> None:
        self.meter.now -= self.tensor.nbytes


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_what_is_kept_for_the_backward_pass_does_not_grow_with_the_number_of_samples(
    small_pair, small_batch, make_hparams, circumstances, likelihood
):
    _, bayesian = small_pair()
    peaks = {}
    for samples in (1, 2, 20):
        elbo = Elbo(bayesian, make_hparams(samples=samples, likelihood=likelihood), circumstances)
        with SavedForBackward() as meter:
            elbo.backward(*small_batch(64), STEP)
        peaks[samples] = meter.peak
        assert meter.now == 0
    assert peaks[1] == peaks[2] == peaks[20] > 0


def test_the_meter_sees_the_memory_of_all_samples_in_one_graph_grow(small_pair, small_batch):
    deterministic, _ = small_pair()
    images, labels = small_batch(64)
    peaks = {}
    for samples in (2, 20):
        with SavedForBackward() as meter:
            losses = [F.cross_entropy(deterministic(images), labels) for _ in range(samples)]
            torch.stack(losses).mean().backward()
        peaks[samples] = meter.peak
    assert peaks[20] > 5 * peaks[2]


@pytest.mark.parametrize("likelihood", ["expected", "predictive"])
def test_the_sum_over_all_examples_has_n_times_the_gradient_and_the_same_terms(
    small_pair, small_batch, make_hparams, circumstances, likelihood
):
    _, mean_model = small_pair()
    _, sum_model = small_pair()
    mean_terms = Elbo(mean_model, make_hparams(likelihood=likelihood), circumstances).backward(*small_batch(), STEP)
    summed = make_hparams(likelihood=likelihood, loss_scale="sum")
    sum_terms = Elbo(sum_model, summed, circumstances).backward(*small_batch(), STEP)
    assert all(mean_terms[name].equal(sum_terms[name]) for name in mean_terms)
    for name, gradient in gradients(mean_model).items():
        expected = circumstances.num_examples * gradient
        torch.testing.assert_close(gradients(sum_model)[name], expected, rtol=1e-5, atol=1e-5)


def test_a_loss_scaled_for_fp16_scales_every_gradient_and_no_term(small_pair, small_batch, make_hparams, circumstances):
    class Scaled(type(circumstances.precision)):
        def scale(self, loss):
            return loss * 1024.0

    scaled = replace(circumstances, precision=Scaled("fp32", torch.device("cpu")))
    _, plain_model = small_pair()
    _, scaled_model = small_pair()
    plain_terms = Elbo(plain_model, make_hparams(), circumstances).backward(*small_batch(), STEP)
    scaled_terms = Elbo(scaled_model, make_hparams(), scaled).backward(*small_batch(), STEP)
    assert all(plain_terms[name].equal(scaled_terms[name]) for name in plain_terms)
    for name, gradient in gradients(plain_model).items():
        torch.testing.assert_close(gradients(scaled_model)[name], 1024.0 * gradient, rtol=1e-5, atol=1e-6)
