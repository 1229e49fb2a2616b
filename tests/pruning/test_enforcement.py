from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from foundations.errors import UserError
from models import ModelHparams, build_network, prunable_tensor_names
from pruning import Mask, MaskEnforcement, Prunable, PrunableParameter, apply_mask, prunable_shapes


def lenet() -> tuple[nn.Module, tuple[int, ...]]:
    names = {"model_name": "mnist_lenet_12_8", "model_init": "kaiming_normal", "batchnorm_init": "uniform"}
    return build_network(ModelHparams(**names), 10, seed=0), (1, 28, 28)


def convolutional() -> tuple[nn.Module, tuple[int, ...]]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)
    )
    return model.to(memory_format=torch.channels_last), (2, 8, 8)


class NoisyDescent(torch.optim.Optimizer):
    """Moves every weight at random, gradient or not."""

    def __init__(self, params) -> None:
        super().__init__(params, {})
        self.generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p += 0.01 * torch.randn(p.shape, generator=self.generator) - 0.01 * p.grad


NETWORKS = [lenet, convolutional]
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True, weight_decay=1e-2),
    "noisy": NoisyDescent,
}


def prunable_of(model: nn.Module) -> Prunable:
    return {name: (PrunableParameter(model.get_parameter(name)),) for name in prunable_tensor_names(model)}


def random_mask(prunable: Prunable, density: float = 0.4) -> Mask:
    generator = torch.Generator().manual_seed(1)
    return Mask({n: torch.rand(shape, generator=generator) < density for n, shape in prunable_shapes(prunable).items()})


def fit(model: nn.Module, optimizer: torch.optim.Optimizer, shape: tuple[int, ...], steps: int = 25) -> None:
    generator = torch.Generator().manual_seed(2)
    for _ in range(steps):
        images = torch.randn((16, *shape), generator=generator)
        labels = torch.randint(10, (16,), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()


def pruned_entries(model: nn.Module, mask: Mask) -> list[Tensor]:
    return [model.get_parameter(name).detach()[mask[name] == 0] for name in mask]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_pruned_weight_is_exactly_zero_after_training(network, optimizer):
    model, shape = network()
    before, prunable = copy.deepcopy(model), prunable_of(model)
    mask, made = random_mask(prunable), OPTIMIZERS[optimizer](model.parameters())
    MaskEnforcement(made, prunable, mask)
    fit(model, made, shape)
    assert all(bool((entries == 0).all()) and entries.numel() for entries in pruned_entries(model, mask))
    for name in mask:  # and the kept ones were trained
        moved = model.get_parameter(name) != before.get_parameter(name)
        assert moved[mask[name] == 1].float().mean() > 0.5


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_no_momentum_or_second_moment_builds_up_for_pruned_weights(network, optimizer):
    model, shape = network()
    prunable = prunable_of(model)
    mask, made = random_mask(prunable), OPTIMIZERS[optimizer](model.parameters())
    MaskEnforcement(made, prunable, mask)
    fit(model, made, shape)
    for name, tensor in mask.items():
        buffers = {k: v for k, v in made.state[model.get_parameter(name)].items() if v is not None and v.dim() > 0}
        assert buffers
        for buffer in buffers.values():
            assert bool((buffer[tensor == 0] == 0).all())
            assert bool((buffer[tensor == 1] != 0).any())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_without_enforcement_pruned_weights_come_back(optimizer):
    model, shape = convolutional()
    prunable = prunable_of(model)
    mask = random_mask(prunable)
    apply_mask(prunable, mask)
    fit(model, OPTIMIZERS[optimizer](model.parameters()), shape, steps=2)
    assert all(bool((entries != 0).any()) for entries in pruned_entries(model, mask))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_with_nothing_pruned_trains_as_if_there_were_no_mask(network):
    trained = []
    for enforced in (True, False):
        model, shape = network()
        optimizer = OPTIMIZERS["sgd"](model.parameters())
        if enforced:
            MaskEnforcement(optimizer, prunable_of(model), Mask.ones(prunable_shapes(prunable_of(model))))
        fit(model, optimizer, shape, steps=5)
        trained.append(model.state_dict())
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_a_pruned_network_is_pruned_before_its_first_step():
    model, _ = lenet()
    prunable = prunable_of(model)
    mask = random_mask(prunable)
    MaskEnforcement(OPTIMIZERS["sgd"](model.parameters()), prunable, mask)
    assert all(bool((entries == 0).all()) for entries in pruned_entries(model, mask))


def test_applying_a_mask_keeps_the_other_weights_bits():
    model, _ = convolutional()
    before, prunable = copy.deepcopy(model), prunable_of(model)
    mask = random_mask(prunable)
    apply_mask(prunable, mask)
    for name, tensor in model.state_dict().items():
        expected = before.state_dict()[name]
        assert torch.equal(tensor, torch.where(mask[name] == 1, expected, 0.0) if name in mask else expected)


def test_a_weight_that_is_not_a_number_is_pruned_to_zero_too():
    weight = nn.Parameter(torch.tensor([torch.nan, torch.inf, 1.0]))
    apply_mask({"a": (PrunableParameter(weight),)}, Mask({"a": torch.tensor([0, 0, 1])}))
    assert weight.tolist() == [0.0, 0.0, 1.0]


def test_every_parameter_behind_a_weight_has_its_own_value_that_means_pruned():
    location, spread = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
    prunable = {"a": (PrunableParameter(location), PrunableParameter(spread, -torch.inf))}
    mask = Mask({"a": torch.tensor([1, 0, 0, 1])})
    optimizer = OPTIMIZERS["adam"]([location, spread])
    MaskEnforcement(optimizer, prunable, mask)
    for _ in range(5):
        optimizer.zero_grad()
        (location.sum() + spread.exp().sum()).backward()
        optimizer.step()
    assert location[[1, 2]].tolist() == [0.0, 0.0]
    assert spread[[1, 2]].tolist() == [-torch.inf, -torch.inf]
    assert bool((location[[0, 3]] < 1).all() and (spread[[0, 3]] < 1).all())


def test_a_gradient_of_a_pruned_weight_that_is_not_a_number_is_not_hidden():
    weight = nn.Parameter(torch.ones(2))
    optimizer = OPTIMIZERS["sgd"]([weight])
    MaskEnforcement(optimizer, {"a": (PrunableParameter(weight),)}, Mask({"a": torch.tensor([0, 1])}))
    weight.grad = torch.tensor([torch.nan, 1.0])
    optimizer.step()
    assert weight.isnan().tolist() == [True, False]


def test_a_frozen_layer_without_gradients_is_no_obstacle():
    model, shape = lenet()
    model.fc.weight.requires_grad_(False)
    prunable = prunable_of(model)
    mask = random_mask(prunable)
    optimizer = OPTIMIZERS["sgd"]([p for p in model.parameters() if p.requires_grad])
    MaskEnforcement(optimizer, prunable, mask)
    fit(model, optimizer, shape, steps=3)
    assert all(bool((entries == 0).all()) for entries in pruned_entries(model, mask))


WRONG = {
    "a tensor is missing": (lambda mask: mask.pop("fc.weight"), "fc.weight is in the network but not in the mask"),
    "a tensor is unknown": (
        lambda mask: mask.update(conv=torch.ones(2)),
        "conv is in the mask but not in the network",
    ),
    "a shape is wrong": (
        lambda mask: mask.update({"fc.weight": torch.ones(8, 10)}),
        "fc.weight has shape (10, 8) there and (8, 10) in the mask",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_mask_that_does_not_fit_is_refused_and_no_weight_is_touched(change, message):
    model, _ = lenet()
    before, prunable = copy.deepcopy(model.state_dict()), prunable_of(model)
    mask = random_mask(prunable)
    change(mask)
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    for act in (lambda: apply_mask(prunable, mask), lambda: MaskEnforcement(optimizer, prunable, mask)):
        with pytest.raises(UserError, match=re.escape(message)):
            act()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
