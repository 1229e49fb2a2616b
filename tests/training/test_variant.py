from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from models import find_family
from tests.statistics_by_hand import statistics_by_hand
from training import (
    OBJECTIVES,
    VARIANTS,
    Deterministic,
    ModelVariant,
    PredictionRequest,
    TrainingHparams,
    VariantHparams,
)
from training.precision import Precision

BATCHES = [torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 2, 6, 6)]


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(48, 5))


def request(precision: str = "fp32") -> PredictionRequest:
    arithmetic = Precision(precision, torch.device("cpu"))
    return PredictionRequest(lambda: BATCHES, lambda: BATCHES, RandomStreams(1), "0", arithmetic)


def predict(model: nn.Module, precision: str = "fp32") -> Tensor:
    return Deterministic().predict(model, request(precision)).log_probabilities


def test_predictions_are_the_log_softmax_in_evaluation_mode_batch_after_batch():
    model = network()
    found = predict(model)
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(found, model(torch.cat(BATCHES)).log_softmax(1))
    torch.testing.assert_close(found.exp().sum(1), torch.ones(7))


def test_predicting_leaves_mode_weights_and_batchnorm_statistics_as_they_were():
    for training in (True, False):
        model = network().train(training)
        before = copy.deepcopy(model.state_dict())
        predict(model)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        assert {module.training for module in model.modules()} == {training}
        assert all(parameter.grad is None for parameter in model.parameters())


def test_statistics_are_recomputed_for_the_weights_there_are_and_nothing_else_changes():
    model = network().train()
    [expected] = statistics_by_hand(model, BATCHES)
    before = copy.deepcopy(model.state_dict())
    Deterministic().recompute_statistics(model, lambda: BATCHES)
    layer = model[1]
    torch.testing.assert_close((layer.running_mean, layer.running_var), expected)
    assert (layer.momentum, {module.training for module in model.modules()}) == (0.1, {True})
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {"1.running_mean", "1.running_var"} <= changed <= {name for name in before if name.startswith("1.")}


def test_the_distance_is_the_root_of_the_squared_differences():
    one, other = nn.Linear(2, 1), nn.Linear(2, 1)
    one.weight.data, one.bias.data = torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])
    other.weight.data, other.bias.data = torch.tensor([[3.0, 8.0]]), torch.tensor([6.0])
    assert Deterministic().distances(one, other) == {"l2": 7.0}


def test_predicting_twice_gives_the_same_bits_and_needs_no_gradient():
    model = network()
    first = predict(model)
    assert torch.equal(first, predict(model))
    assert not first.requires_grad


def test_predictions_in_half_precision_are_close_and_come_as_float32():
    model = network()
    found = predict(model, "bf16")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, predict(model), rtol=0.05, atol=0.05)
    assert not torch.equal(found, predict(model))


def test_every_linear_and_convolutional_weight_is_prunable_and_means_zero_when_pruned():
    model = network()
    prunable = Deterministic().prunable(model)
    assert list(prunable) == ["0.weight", "4.weight"]
    assert [[part.pruned_value for part in parts] for parts in prunable.values()] == [[0.0], [0.0]]
    assert prunable["4.weight"][0].parameter is model[4].weight


def test_weight_decay_and_training_act_on_all_parameters_that_are_not_frozen():
    model = network()
    model[1].requires_grad_(False)
    hparams = TrainingHparams(optimizer_name="sgd", lr=0.1, training_steps="1ep")
    (group,) = Deterministic().parameter_groups(model, hparams)
    assert [id(p) for p in group["params"]] == [
        id(p) for p in (model[0].weight, model[0].bias, model[4].weight, model[4].bias)
    ]


def test_the_deterministic_variant_has_openlths_presets_and_no_hyperparameters():
    assert VARIANTS.get("deterministic") is Deterministic
    assert Deterministic.hparams is None
    assert isinstance(Deterministic(None), Deterministic)
    family = find_family("cifar_resnet_20")
    assert Deterministic.preset(family) == family.defaults


def test_the_name_of_a_variant_enters_its_text():
    assert str(VariantHparams(variant_name="quantum")) == "Hparams(variant_name='quantum')"


def test_an_unknown_variant_is_answered_with_the_valid_ones():
    with pytest.raises(InvalidValue, match=r"^--variant=quantum: valid values are deterministic"):
        VARIANTS.get("quantum")


def test_a_variant_is_pruned_as_what_it_is_and_as_what_its_weights_are_like():
    class Dropping(Deterministic):
        name, weights_like = "dropping", "deterministic"

    assert Deterministic.compatible_variants() == ("deterministic",)
    assert Dropping.compatible_variants() == ("dropping", "deterministic")


def test_a_variant_that_changes_nothing_is_the_deterministic_one():
    assert [name for name in vars(Deterministic) if not name.startswith("_")] == ["name", "description"]
    found = [variant.predict(network(), request()) for variant in (ModelVariant(), Deterministic())]
    torch.testing.assert_close(found[0].log_probabilities, found[1].log_probabilities)


def test_a_variant_refuses_objectives_that_it_cannot_be_trained_with(monkeypatch):
    monkeypatch.setattr(OBJECTIVES, "_entries", {**OBJECTIVES._entries, "hinge": None})
    hparams = TrainingHparams(optimizer_name="sgd", lr=0.1, training_steps="1ep", objective="hinge")

    class Particular(ModelVariant):
        name, objectives = "particular", ("cross_entropy",)

    Deterministic.check_objective(hparams)
    with pytest.raises(InvalidValue, match=r"^--objective=hinge: a particular network is trained with cross_entropy$"):
        Particular.check_objective(hparams)


def test_statistics_are_recomputed_by_the_network_itself_not_by_what_was_compiled_of_it():
    """Which a compiler would make anew for every momentum."""

    def compiled(*_: object) -> Tensor:
        raise AssertionError("compiled")

    model = nn.Sequential(nn.BatchNorm1d(2))
    model._compiled_call_impl = compiled
    images = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    Deterministic().recompute_statistics(model, lambda: [images])
    assert torch.equal(model[0].running_mean, torch.tensor([2.0, 4.0]))
