"""SNIP, GraSP and SynFlow against closed forms, finite differences and what their papers prove."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.errors import UserError
from pruning import STRATEGIES, GlobalPruningHparams, Mask, PruningCircumstances
from pruning.saliency import TEMPERATURE, grasp, snip, synflow

GENERATOR = torch.Generator()


def circumstances(batches: list[tuple[Tensor, Tensor]], loss: Any = None, classes: int = 3, draws: Any = None) -> Any:
    """What a strategy may ask for, of a deterministic network unless there are draws."""

    def own(network: nn.Module) -> Iterator[Mapping[str, Tensor]]:
        yield dict(network.named_parameters())

    def cross_entropy(network: Any, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(network(images), labels)

    return PruningCircumstances(
        level=1,
        hparams={},
        initial_network=nn.Identity,
        rewound_network=nn.Identity,
        batches=lambda: itertools.cycle(batches),
        gradients=lambda network, count: {},
        num_classes=lambda: classes,
        loss=loss or cross_entropy,
        draws=draws or own,
        on_device=copy.deepcopy,
    )


def linear(weight: Tensor) -> tuple[nn.Module, Mask]:
    model = nn.Sequential(nn.Linear(*reversed(weight.shape), bias=False)).to(weight.dtype)
    model[0].weight.data = weight.clone()
    return model, Mask({"0.weight": torch.ones(weight.shape)})


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, 4, generator=generator, dtype=torch.float64), torch.randint(3, (40,), generator=generator)


def test_snip_of_a_linear_classifier_is_its_closed_form(batch):
    images, labels = batch
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model, mask = linear(weight)
    residuals = (images @ weight.T).softmax(dim=1) - F.one_hot(labels, 3)
    expected = (weight * (residuals.T @ images) / len(images)).abs()
    torch.testing.assert_close(snip(model, mask, GENERATOR, circumstances([batch]))["0.weight"], expected)


def test_snip_looks_at_ten_examples_a_class_in_as_many_batches_as_that_takes(batch):
    images, labels = batch
    model, mask = linear(torch.ones(3, 4, dtype=torch.float64))
    parts = [(images[i : i + 15], labels[i : i + 15]) for i in (0, 15)]
    found = snip(model, mask, GENERATOR, circumstances([*parts, (images * 100, labels)]))
    whole = snip(model, mask, GENERATOR, circumstances([(images[:30], labels[:30])]))
    torch.testing.assert_close(found, whole)


def quadratic(hessian: Tensor, linear_part: Tensor) -> Any:
    """A loss whose Hessian is known, of the weights that the network gives for one-hot images."""

    def loss(network: Any, images: Tensor, labels: Tensor) -> Tensor:
        weights = TEMPERATURE * network(torch.eye(3, dtype=torch.float64)).flatten()
        return 0.5 * weights @ hessian @ weights + linear_part @ weights

    return loss


def test_grasp_of_a_quadratic_is_its_closed_form_and_tells_what_removal_does_to_the_gradient():
    root = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hessian, linear_part = root @ root.T, torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)
    weight = torch.tensor([[1e-4, -2e-4, 3e-4]], dtype=torch.float64)
    model, mask = linear(weight)
    batch = torch.zeros(30, 3, dtype=torch.float64), torch.zeros(30, dtype=torch.int64)
    lottery = circumstances([batch], quadratic(hessian, linear_part))
    found = grasp(model, mask, GENERATOR, lottery)["0.weight"].flatten()
    w = weight.flatten()
    gradient = hessian @ w + linear_part
    torch.testing.assert_close(found, w * (hessian @ gradient))

    def squared_norm(weights: Tensor) -> Tensor:
        return (hessian @ weights + linear_part).square().sum()

    for index in range(3):
        without = w.clone()
        without[index] = 0
        change = squared_norm(without) - squared_norm(w)
        assert change == pytest.approx(float(-2 * found[index]), rel=2e-2)  # to first order in w
    lowest = int(found.argmin())  # the one that is pruned first
    assert lowest == max(range(3), key=lambda i: float(squared_norm(w * (torch.arange(3) != i)) - squared_norm(w)))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3),
        )  # fmt: skip


WEIGHTS = ("0.weight", "5.weight", "7.weight")


def mask_of(model: nn.Module) -> Mask:
    return Mask({name: torch.ones_like(model.get_parameter(name)) for name in WEIGHTS})


IMAGES = [(torch.randn(4, 2, 4, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(4, dtype=torch.int64))]


def test_the_flow_through_every_layer_is_the_same_and_is_that_through_the_network():
    model = network()
    scores = synflow(model, mask_of(model), GENERATOR, circumstances(IMAGES))
    sums = [float(score.sum()) for score in scores.values()]
    assert all(bool((score >= 0).all()) for score in scores.values())
    assert sums == pytest.approx([sums[0]] * 3) and sums[0] > 0
    positive = network()
    for parameter in positive.parameters():
        parameter.data.abs_()
    for name in ("0.bias", "1.bias", "5.bias", "7.bias"):
        positive.get_parameter(name).data.zero_()
    assert positive.eval()(torch.ones(1, 2, 4, 4)).sum().item() == pytest.approx(sums[0], rel=1e-5)


def test_the_flow_through_pruned_weights_and_what_they_alone_lead_to_is_nothing():
    model, mask = network(), mask_of(network())
    mask["5.weight"] = torch.cat([torch.zeros(1, 16), torch.ones(7, 16)])
    scores = synflow(model, mask, GENERATOR, circumstances(IMAGES))
    assert not scores["5.weight"][0].any() and not scores["7.weight"][:, 0].any() and scores["7.weight"][:, 1:].all()


def pruned(name: str, fraction: float, model: nn.Module | None = None, ignored: str | None = None) -> Mask:
    model = model or network()
    hparams = GlobalPruningHparams(pruning_strategy=name, pruning_fraction=fraction, pruning_layers_to_ignore=ignored)
    return STRATEGIES.get(name).prune_in(hparams, model, mask_of(model), GENERATOR, circumstances(IMAGES))


@pytest.mark.parametrize("fraction", [0.2, 0.9, 0.95])
def test_synflow_prunes_as_many_as_any_global_strategy_and_cuts_no_layer_off(fraction):
    mask = pruned("sparse_synflow", fraction)
    assert mask.unpruned == pruned("sparse_random", fraction).unpruned
    assert all(density > 0 for density in mask.densities.values())


def test_synflow_leaves_a_path_at_999_in_a_thousand_where_one_round_does_not():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [layer for width in (100, 40, 60, 90) for layer in (nn.LazyLinear(width), nn.ReLU())]
        model = nn.Sequential(nn.Flatten(), *layers[:-1])
        model(torch.zeros(1, 2, 4, 4))
    mask = Mask({name: torch.ones_like(p) for name, p in model.named_parameters() if name.endswith("weight")})
    hparams = GlobalPruningHparams(pruning_strategy="sparse_synflow", pruning_fraction=0.999)
    found = STRATEGIES.get("sparse_synflow").prune_in(hparams, model, mask, GENERATOR, circumstances(IMAGES))
    assert found.density == pytest.approx(0.001, rel=0.1)
    assert all(density > 0 for density in found.densities.values())
    assert float(synflow(model, found, GENERATOR, circumstances(IMAGES))["1.weight"].sum()) > 0


def test_synflow_keeps_what_is_to_be_ignored():
    mask = pruned("sparse_synflow", 0.8, ignored="7.weight")
    assert mask["7.weight"].all() and mask.unpruned == pruned("sparse_random", 0.8, ignored="7.weight").unpruned


@pytest.mark.parametrize("score", [snip, grasp])
def test_scores_of_random_weights_are_averages_over_draws(score, batch):
    drawn = [torch.randn(3, 4, generator=torch.Generator().manual_seed(i), dtype=torch.float64) for i in range(3)]

    def draws(model: nn.Module) -> Iterator[Mapping[str, Tensor]]:
        for weight in drawn:
            leaf = weight.clone().requires_grad_()
            model[0].__dict__["weight"] = leaf
            yield {"0.weight": leaf}

    model, mask = linear(drawn[0])
    found = score(model, mask, GENERATOR, circumstances([batch], draws=draws))["0.weight"]
    signed = []
    for weight in drawn:
        model, mask = linear(weight)
        leaf = model[0].weight
        value = F.cross_entropy(model(batch[0]) / (1 if score is snip else TEMPERATURE), batch[1])
        [gradient] = torch.autograd.grad(value, leaf, create_graph=True)
        [product] = torch.autograd.grad((gradient * gradient.detach()).sum(), leaf, retain_graph=True)
        signed.append((leaf * (gradient if score is snip else product)).detach())
    mean = torch.stack(signed).mean(dim=0)
    torch.testing.assert_close(found, mean.abs() if score is snip else mean)


@pytest.mark.parametrize("name", ["sparse_snip", "sparse_grasp", "sparse_synflow"])
def test_without_the_lottery_it_is_refused(name):
    hparams = GlobalPruningHparams(pruning_strategy=name)
    with pytest.raises(UserError, match=name):
        STRATEGIES.get(name).prune(hparams, network(), mask_of(network()), GENERATOR)
