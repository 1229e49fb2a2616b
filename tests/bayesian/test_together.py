"""Samples that go through the network together against the loop over them: gradients, terms, statistics."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from bayesian.elbo import Elbo
from bayesian.estimators import ESTIMATORS
from bayesian.hparams import LIKELIHOODS
from bayesian.passes import SampledWeights
from bayesian.posterior import Posterior
from bayesian.together import Together, side_by_side
from bayesian.ways import WAYS, samples_at_once
from foundations.step import Step
from training.precision import Precision

STEP = Step(3, 10)
BATCHED = [name for name, estimator in ESTIMATORS.items() if not estimator.local_in_linear_layers]


def found_by(model, hparams, circumstances, batch, way=None, at_once=1, together=None):
    """Return gradients, terms and BatchNorm's statistics after a step, of a copy of a network.

    Args:
        together: whether the samples must go so; if several are to, by default.
    """
    model = copy.deepcopy(model).train()
    run = replace(circumstances, samples_at_once=at_once)
    elbo = Elbo(model, hparams, run, **({"way": way} if way else {}))
    terms = elbo.backward(*batch, STEP)
    assert isinstance(elbo._passes, Together) == (at_once > 1 if together is None else together)
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients, terms, dict(model.named_buffers())


def difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Return how far tensors, as one vector, are from what they should be, relative to that."""
    assert found.keys() == expected.keys()
    one, other = (
        torch.cat([each[name].double().flatten() for name in expected] or [torch.zeros(1)])
        for each in (found, expected)
    )
    return float((one - other).norm() / other.norm().clamp_min(1e-30))


def assert_alike(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        assert difference(one, other) < tolerance


def test_every_family_has_the_gradients_of_the_loop(any_model, make_network, make_hparams, images_for, circumstances):
    """In single precision to a hundred-thousandth, or as far as the loop itself is from double precision."""
    model, images = (
        make_network(any_model, init_std=1.0).to(memory_format=torch.channels_last),
        images_for(any_model, 4),
    )
    hparams, found = make_hparams(samples=2), {}
    for dtype in (torch.float64, torch.float32):
        batch = images.to(dtype), torch.arange(4)
        for at_once in (1, 2):
            found[dtype, at_once] = found_by(model.to(dtype), hparams, circumstances, batch, at_once=at_once)
    assert_alike(found[torch.float64, 2], found[torch.float64, 1], 1e-9)
    rounding = difference(found[torch.float32, 1][0], found[torch.float64, 1][0])
    assert_alike(found[torch.float32, 2], found[torch.float32, 1], max(1e-5, 3 * rounding))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_once", [2, 3, 4, 9])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("estimator", BATCHED)
def test_every_estimator_and_likelihood_has_the_gradients_of_the_loop_whatever_goes_together(
    small_pair, small_batch, make_hparams, circumstances, estimator, likelihood, at_once, way
):
    _, model = small_pair()
    hparams = make_hparams(samples=4, estimator=estimator, likelihood=likelihood)
    loop = found_by(model, hparams, circumstances, small_batch())
    assert_alike(found_by(model, hparams, circumstances, small_batch(), way, at_once), loop, 1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_in_half_precision_gradients_are_no_worse_than_the_loops(
    make_network, make_hparams, images_for, circumstances, way
):
    name, hparams = "cifar_resnet_8_4", make_hparams(samples=2)
    model, batch = make_network(name, init_std=0.1), (images_for(name, 8), torch.arange(8))
    half = replace(circumstances, precision=Precision("bf16", torch.device("cpu")))
    exact = found_by(model, hparams, circumstances, batch)[0]
    loop, together = (found_by(model, hparams, half, batch, way, at_once)[0] for at_once in (1, 2))
    assert all(gradient.dtype == torch.float32 for gradient in together.values())
    assert 0 < difference(together, exact) < 2 * difference(loop, exact) < 0.5


HALF = {
    "cifar_resnet_8_4": {"VIConv2d", "BatchNorm2d", "VILinear"},
    "cifar_vgg_11_4": {"VIConv2d", "BatchNorm2d", "MaxPool2d", "VILinear"},
    "cifar_vit_1_8_2": {"VIConv2d", "VILinear", "GELU"},
    "mnist_lenet_12": {"VILinear"},
}


@pytest.mark.parametrize("name", HALF)
def test_in_half_precision_features_of_samples_side_by_side_are_as_short_as_in_the_loop(make_network, images_for, name):
    """Or the GPU would move twice as many bytes."""
    seen: dict[str, set[torch.dtype]] = {}

    def note(layer: nn.Module, inputs: object, output: Tensor) -> None:
        seen.setdefault(type(layer).__name__, set()).add(output.dtype)

    model = make_network(name).train().to(memory_format=torch.channels_last)
    for layer in model.modules():
        layer.register_forward_hook(note)
    with torch.autocast("cpu", torch.bfloat16):
        model(images_for(name, 4))
    loop = dict(seen)
    seen.clear()
    posterior = Posterior.of(model)
    together = Together(
        model, posterior, Precision("bf16", torch.device("cpu")), 3, side_by_side, lambda forward: forward
    )
    assert not together.obstacle(images_for(name, 4))
    assert together.logits(images_for(name, 4), sampled(posterior, 3)).dtype == torch.float32
    assert all(seen[layer] == loop[layer] == {torch.bfloat16} for layer in HALF[name])


class Squashed(nn.BatchNorm2d):
    """A BatchNorm layer with more to it, as some libraries have it."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).tanh()


def test_batchnorm_layers_of_other_kinds_keep_what_they_do(small_pair, small_batch, make_hparams, circumstances):
    _, model = small_pair()
    squashed = Squashed(3).double()
    squashed.load_state_dict(model.bn.state_dict())
    model.bn = squashed
    loop = found_by(model, make_hparams(), circumstances, small_batch())
    assert_alike(found_by(model, make_hparams(), circumstances, small_batch(), at_once=2), loop, 1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_batchnorm_layers_that_stay_in_evaluation_mode_keep_their_statistics(
    small_pair, small_batch, make_hparams, circumstances, way
):
    class Frozen(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> nn.BatchNorm2d:
            return super().train(False)

    _, model = small_pair()
    frozen = Frozen(3).double()
    frozen.load_state_dict(model.bn.state_dict())
    model.bn = frozen
    loop = found_by(model, make_hparams(), circumstances, small_batch())
    together = found_by(model, make_hparams(), circumstances, small_batch(), way, 2)
    assert_alike(together, loop, 1e-6)
    assert together[2]["bn.num_batches_tracked"] == 0


def test_a_batchnorm_layer_with_a_hooked_forward_keeps_it(small_pair, small_batch, make_hparams, circumstances):
    _, model = small_pair()
    posterior, plain = Posterior.of(model.train()), model.bn.forward
    model.bn.forward = lambda features: plain(features).tanh()
    hooked = model.bn.forward
    together = Together(model, posterior, circumstances.precision, 2, side_by_side, lambda forward: forward)
    assert not together.obstacle(small_batch()[0])
    assert model.bn.forward is hooked


def test_a_batchnorm_layer_used_twice_keeps_to_the_loop(small_pair, small_batch, make_hparams, circumstances, caplog):
    _, model = small_pair()
    model.conv = nn.Sequential(model.conv, model.bn)
    found = found_by(model, make_hparams(), circumstances, small_batch(), at_once=2, together=False)
    assert said(caplog, "a BatchNorm layer is used twice in one pass")
    assert_alike(found, found_by(model, make_hparams(), circumstances, small_batch()), 1e-9)


@pytest.mark.parametrize("name", ["cifar_resnet_8_4", "cifar_vgg_11_4"])
def test_samples_go_side_by_side_through_a_gpus_batchnorm(make_network, images_for, name):
    """A GPU without memory, which computes shapes alone: cuDNN's BatchNorm does not batch in channels_last."""
    try:
        with FakeTensorMode():
            torch.empty(1, device="cuda") + torch.empty(1).to("cuda")
    except RuntimeError:
        pytest.skip("this PyTorch computes shapes for a GPU only where there is one")
    model = make_network(name).train().to(memory_format=torch.channels_last)
    images, seen = images_for(name, 4).contiguous(memory_format=torch.channels_last), set()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for module in model.modules():
            for own in (module._parameters, module._buffers):
                for key, tensor in own.items():
                    if tensor is not None:
                        on_gpu = mode.from_tensor(tensor.detach()).to("cuda")
                        own[key] = nn.Parameter(on_gpu) if isinstance(tensor, nn.Parameter) else on_gpu
        together = Together(
            model,
            Posterior.of(model),
            Precision("fp32", torch.device("cuda")),
            3,
            side_by_side,
            lambda forward: forward,
        )

        class Watch(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                if "batch_norm" in str(function):
                    seen.add(
                        (str(function), args[0].shape[1] % 3, args[0].is_contiguous(memory_format=torch.channels_last))
                    )
                return function(*args, **(kwargs or {}))

        with together._settled(), Watch():
            logits = together._pass(together._plain, together._memory, mode.from_tensor(images).to("cuda"))
    assert logits.shape == (3, 4, 10)
    assert seen == {("aten.cudnn_batch_norm.default", 0, True)}


def test_frozen_and_pruned_weights_are_as_in_the_loop(small_pair, small_batch, make_hparams, circumstances):
    _, model = small_pair()
    model.bn.bias.requires_grad_(False)
    model.conv._weight_mean.requires_grad_(False)
    model.conv._weight_log_std.requires_grad_(False)
    with torch.no_grad():
        model.fc._weight_mean[:, ::2] = 0.0
        model.fc._weight_log_std[:, ::2] = -torch.inf
    loop, together = (found_by(model, make_hparams(), circumstances, small_batch(), at_once=n) for n in (1, 2))
    assert_alike(together, loop, 1e-6)
    assert not together[0]["fc._weight_log_std"][:, ::2].any()


def test_convolutions_of_all_samples_are_one_in_channels_last(make_network):
    """What makes it fast on a GPU, where convolutions with groups are slow in any other layout."""
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if "convolution" in str(function):
                seen.append([one for one in args[:3] if isinstance(one, Tensor) and one.dim() == 4])
            return function(*args, **(kwargs or {}))

    model = make_network("cifar_resnet_8_16").train().to(memory_format=torch.channels_last)
    posterior, precision = Posterior.of(model), Precision("fp32", torch.device("cpu"))
    together = Together(model, posterior, precision, 3, side_by_side, lambda forward: forward)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with Watch():
        logits = together.logits(images, sampled(posterior, 3))
        logits.sum().backward()
    assert logits.shape == (3, 4, 10)
    assert len(seen) == 2 * 9
    assert all(one.is_contiguous(memory_format=torch.channels_last) for tensors in seen for one in tensors)


def sampled(posterior: Posterior, samples: int) -> SampledWeights:
    mean, log_std = posterior.flat()
    noise = torch.randn(samples, posterior.size, generator=torch.Generator().manual_seed(0))
    return SampledWeights(mean, log_std.exp(), list(noise), torch.Generator())


def said(caplog, reason: str) -> bool:
    """Return whether one line says that samples do not go together, and why."""
    [message] = caplog.messages
    return "one after another, not together: " in message and reason in message and "\n" not in message


def test_what_cannot_go_together_goes_one_after_another_and_that_is_said(
    make_network, make_hparams, images_for, circumstances, caplog
):
    model, batch = make_network("mnist_lenet_12"), (images_for("mnist_lenet_12", 4), torch.arange(4))
    local = make_hparams(estimator="local_reparameterization")
    found = found_by(model, local, circumstances, batch, at_once=2, together=False)
    assert said(caplog, "local reparameterization draws for")
    assert_alike(found, found_by(model, local, circumstances, batch), 1e-9)


def test_layers_that_draw_keep_to_the_loop(make_network, make_hparams, images_for, circumstances, caplog):
    model, batch = make_network("mnist_lenet_12"), (images_for("mnist_lenet_12", 4), torch.arange(4))
    model.fc = nn.Sequential(nn.Dropout(0.5), model.fc)
    found_by(model, make_hparams(), circumstances, batch, at_once=2, together=False)
    assert said(caplog, "its layers draw random numbers")


def test_a_network_that_looks_at_its_features_keeps_to_the_loop(
    make_network, make_hparams, images_for, circumstances, caplog
):
    class Curious(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            return features if features.sum().item() > 0 else 2 * features

    model, batch = make_network("mnist_lenet_12"), (images_for("mnist_lenet_12", 4), torch.arange(4))
    model.fc = nn.Sequential(Curious(), model.fc)
    found_by(model, make_hparams(), circumstances, batch, at_once=2, together=False)
    assert said(caplog, "item")


def test_statistics_that_count_their_batches_keep_to_the_loop(
    small_pair, small_batch, make_hparams, circumstances, caplog
):
    _, model = small_pair()
    model.bn.momentum = None
    found_by(model, make_hparams(), circumstances, small_batch(), at_once=2, together=False)
    assert said(caplog, "a BatchNorm layer without momentum counts its batches")


def test_trying_has_no_effect(make_network, images_for):
    model = make_network("cifar_resnet_8_4").train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    together = Together(
        model, Posterior.of(model), Precision("fp32", torch.device("cpu")), 2, side_by_side, lambda forward: forward
    )
    assert together.obstacle(images_for("cifar_resnet_8_4", 4)) == ""
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    assert model.bn.momentum == 0.1


def test_without_a_word_from_the_user_the_cpu_loops_and_nothing_is_said(make_network, make_hparams, circumstances):
    posterior = Posterior.of(make_network("mnist_lenet_12"))
    assert samples_at_once(posterior, 10, None) == 1
    assert [samples_at_once(posterior, 10, limit) for limit in (1, 3, 10, 99)] == [1, 3, 10, 10]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Elbo(make_network("mnist_lenet_12"), make_hparams(estimator="local_reparameterization"), circumstances)
