"""The strategies of deterministic networks; their masks are those that OpenLTH wrote."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from foundations.step import Step
from foundations.storage import load_tensors
from models import ModelHparams, build_network
from pruning import STRATEGIES, GlobalPruningHparams, Mask, apply_mask, prunable_weights
from pruning.sparse_global import magnitude, uniform_noise
from training import Deterministic

END = Step.from_str("2ep", 10)
LENET = ModelHparams(model_name="mnist_lenet_12_8", model_init="kaiming_normal", batchnorm_init="uniform")
HPARAMS = GlobalPruningHparams(pruning_strategy="sparse_global", pruning_layers_to_ignore="fc.weight")


def trained_by_openlth(paths) -> nn.Module:
    model = build_network(LENET, 10, seed=0)
    model.load_state_dict(load_tensors(paths.model(END)))
    return model


def prune(strategy: str, model: nn.Module, mask: Mask, seed: int = 0, **changes: object) -> Mask:
    hparams = GlobalPruningHparams(**{"pruning_strategy": strategy, **changes})
    return STRATEGIES.get(strategy).prune(hparams, model, mask, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("level", [0, 1])
def test_the_next_levels_mask_is_openlths_bit_for_bit(openlth_levels, level):
    before, expected = Mask.load(openlth_levels[level].mask), Mask.load(openlth_levels[level + 1].mask)
    model = trained_by_openlth(openlth_levels[level])
    found = STRATEGIES.get("sparse_global").prune(HPARAMS, model, before, torch.Generator())
    assert list(found) == list(expected)
    for name in expected:
        assert torch.equal(found[name], expected[name])
    assert expected.unpruned < before.unpruned


@pytest.mark.parametrize("level", [0, 1, 2])
def test_pruned_weights_of_openlths_trained_networks_are_zero(openlth_levels, level):
    model, mask = trained_by_openlth(openlth_levels[level]), Mask.load(openlth_levels[level].mask)
    for name, weight in prunable_weights(model).items():
        assert torch.equal(weight != 0, mask[name] == 1)


@pytest.mark.parametrize("level", [1, 2])
def test_applying_openlths_mask_to_level_0_gives_openlths_ticket(openlth_levels, level):
    start = Step.from_str("0it", 10)
    model = build_network(LENET, 10, seed=0)
    model.load_state_dict(load_tensors(openlth_levels[0].model(start)))
    apply_mask(Deterministic().prunable(model), Mask.load(openlth_levels[level].mask))
    ticket = load_tensors(openlth_levels[level].model(start))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, ticket[name]), name


def test_the_counts_are_those_of_openlths_reports(openlth_levels):
    reports = [json.loads(paths.sparsity_report.read_text()) for paths in openlth_levels]
    left = reports[0]["unpruned"]
    for paths, report in zip(openlth_levels, reports, strict=True):
        assert report["unpruned"] == left == Mask.load(paths.mask).unpruned
        left -= math.ceil(0.2 * left) + 1


@pytest.fixture
def lenet() -> nn.Module:
    return build_network(LENET, 10, seed=3)


def ones_for(model: nn.Module) -> Mask:
    return Mask.ones({name: weight.shape for name, weight in prunable_weights(model).items()})


def test_the_smallest_magnitudes_go_whatever_their_sign(lenet):
    mask = prune("sparse_global", lenet, ones_for(lenet))
    weights = prunable_weights(lenet)
    kept = torch.cat([weights[name][mask[name] == 1].abs() for name in mask])
    gone = torch.cat([weights[name][mask[name] == 0].abs() for name in mask])
    assert kept.min() > gone.max()
    assert all(bool((weights[name][mask[name] == 1] < 0).any()) for name in mask)


def test_pruning_does_not_touch_the_network(lenet):
    before = {name: tensor.clone() for name, tensor in lenet.state_dict().items()}
    prune("sparse_global", lenet, ones_for(lenet))
    assert all(torch.equal(tensor, before[name]) for name, tensor in lenet.state_dict().items())


def test_random_pruning_takes_the_same_number_and_depends_on_the_generator_alone(lenet):
    ones = ones_for(lenet)
    other = build_network(LENET, 10, seed=4)
    mask = prune("sparse_random", lenet, ones, seed=1)
    again, elsewhere = prune("sparse_random", other, ones, seed=1), prune("sparse_random", lenet, ones, seed=2)
    assert mask.unpruned == elsewhere.unpruned == prune("sparse_global", lenet, ones).unpruned
    assert all(torch.equal(mask[name], again[name]) for name in mask)
    assert any(not torch.equal(mask[name], elsewhere[name]) for name in mask)


def test_random_pruning_knows_nothing_of_magnitudes(lenet):
    mask = prune("sparse_random", lenet, ones_for(lenet), pruning_fraction=0.5)
    weight = prunable_weights(lenet)["fc_layers.0.weight"]
    kept = mask["fc_layers.0.weight"] == 1
    # Mean magnitudes of two random halves of 9408 normal weights differ by about 1 %.
    assert weight[kept].abs().mean().item() == pytest.approx(weight[~kept].abs().mean().item(), rel=0.06)


def test_random_pruning_prunes_only_what_is_left(lenet):
    first = prune("sparse_random", lenet, ones_for(lenet), seed=1)
    second = prune("sparse_random", lenet, first, seed=2, pruning_layers_to_ignore="fc.weight")
    assert second.unpruned == first.unpruned - math.ceil(0.2 * first.unpruned) - 1
    assert all(bool((second[name] <= first[name]).all()) for name in first)
    assert torch.equal(second["fc.weight"], first["fc.weight"])


def test_the_score_of_magnitude_pruning_is_the_absolute_value_without_a_gradient():
    model = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[-2.0, 0.0, 3.0]]))
        model[2].weight.copy_(torch.tensor([[-1.0]]))
    scores = magnitude(model, Mask({}), torch.Generator())
    assert {name: score.tolist() for name, score in scores.items()} == {
        "0.weight": [[2.0, 0.0, 3.0]],
        "2.weight": [[1.0]],
    }
    assert not scores["0.weight"].requires_grad


def noise(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return uniform_noise(nn.Identity(), Mask.ones(shapes), torch.Generator().manual_seed(1))


def test_noise_is_uniform_without_ties_and_the_generators():
    shapes = {"a": (300, 200), "b": (7,)}
    scores, again = noise(shapes), noise(shapes)
    assert all(torch.equal(scores[name], again[name]) for name in shapes)
    assert {name: score.shape for name, score in scores.items()} == shapes
    flat = scores["a"].flatten()
    assert flat.unique().numel() == flat.numel()
    counts = torch.histc(flat, bins=10, min=0, max=1)
    assert bool(((counts - 6000).abs() < 5 * 73.5).all())  # five standard deviations of a binomial


def test_noise_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    noise({"a": (9,)})
    assert torch.equal(torch.get_rng_state(), before)
