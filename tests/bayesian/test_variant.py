"""The Bayesian variant: pruned weights that stay exactly zero, groups of parameters, and the paper's preset."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from bayesian.adapter import variational_tensors
from bayesian.posterior import Posterior
from bayesian.variant import BAYESIAN, Bayesian
from datasets import DatasetHparams
from foundations.step import Step
from models import MODEL_FAMILIES, ModelHparams, find_family, prunable_tensor_names
from pruning import (
    STRATEGIES,
    GlobalPruningHparams,
    Mask,
    MaskEnforcement,
    apply_mask,
    check_strategy_fits,
    prunable_shapes,
)
from tests.statistics_by_hand import statistics_by_hand
from training import OPTIMIZERS, VARIANTS, TrainingHparams
from training.optimizers import set_learning_rate

FAMILIES = [family for _, family in MODEL_FAMILIES.items()]
WEIGHT_DECAY = 0.1
OPTIMIZERS_UNDER_TEST = {
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.01, weight_decay=WEIGHT_DECAY),
    "adam, fused": lambda groups: torch.optim.Adam(groups, lr=0.01, weight_decay=WEIGHT_DECAY, fused=True),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=WEIGHT_DECAY),
    "nesterov": lambda groups: torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.001, momentum=0.9, weight_decay=WEIGHT_DECAY),
}


def training_hparams(**changes):
    values = {"optimizer_name": "sgd", "lr": 0.01, "training_steps": "1ep", **changes}
    return TrainingHparams(**values)


def half_mask(prunable):
    generator = torch.Generator().manual_seed(0)
    shapes = prunable_shapes(prunable)
    return Mask({name: torch.rand(shape, generator=generator) < 0.5 for name, shape in shapes.items()})


def steps(model, variant, optimizer, circumstances, images, count):
    """Train on random labels, as the training loop does."""
    labels = torch.arange(len(images)) % 10
    objective = variant.objective(model, circumstances)
    for iteration in range(count):
        model.train()
        optimizer.zero_grad()
        terms = objective.backward(images, labels, Step(iteration, count))
        circumstances.precision.step(optimizer)
    return terms


@pytest.fixture(params=["mnist_lenet_12", "cifar_resnet_8_4"])
def name(request):
    return request.param


@pytest.fixture(params=OPTIMIZERS_UNDER_TEST)
def trained(request, name, make_network, make_hparams, images_for, circumstances):
    """A network trained under a mask that prunes half of every layer, with its optimiser and initial state."""
    hparams = make_hparams(init_std=1.0, kl_temperature=1.0)
    variant, model = Bayesian(hparams), make_network(name, init_std=1.0).to(memory_format=torch.channels_last)
    prunable = variant.prunable(model)
    mask = half_mask(prunable)
    groups = variant.parameter_groups(model, training_hparams(lr=0.01))
    for group in groups:
        group.pop("lr", None)
    optimizer = OPTIMIZERS_UNDER_TEST[request.param](groups)
    MaskEnforcement(optimizer, prunable, mask)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    images = images_for(name, 8).to(memory_format=torch.channels_last)
    terms = steps(model, variant, optimizer, circumstances, images, 6)
    return model, prunable, mask, optimizer, before, terms


def test_after_training_every_pruned_weight_has_mean_zero_and_std_zero(trained):
    _, prunable, mask, *_ = trained
    for key, (mean, log_std) in prunable.items():
        pruned = mask[key] == 0
        assert pruned.any()
        assert not mean.parameter[pruned].any()
        assert not log_std.parameter[pruned].exp().any()


def test_after_training_every_pruned_weight_is_exactly_zero_in_every_sample(trained):
    model, _, mask, *_ = trained
    posterior, generator = Posterior.of(model), torch.Generator().manual_seed(0)
    for _ in range(20):
        drawn = dict(zip([t.name for t in posterior.tensors], posterior.split(posterior.draw(generator)), strict=True))
        for key, entry in mask.items():
            assert not drawn[key][entry == 0].any()
            assert drawn[key][entry == 1].all()


def test_after_training_torch_blues_own_samples_are_exactly_zero_there_too(trained):
    model, _, mask, *_ = trained
    layers = {tensor.name: tensor.layer for tensor in variational_tensors(model)}
    for key, entry in mask.items():
        for _ in range(5):
            weight = layers[key].weight
            assert not weight[entry == 0].any()
            assert weight[entry == 1].all()
        layers[key].reset_log_probs()


def test_optimisers_never_build_up_state_for_pruned_weights_and_do_for_the_others(trained):
    _, prunable, mask, optimizer, *_ = trained
    seen = 0
    for key, parts in prunable.items():
        for part in parts:
            for entry in optimizer.state[part.parameter].values():
                if torch.is_tensor(entry) and entry.shape == part.parameter.shape:
                    assert not entry[mask[key] == 0].any()
                    assert entry[mask[key] == 1].any()
                    seen += 1
    assert seen >= 2 * len(prunable)


def test_kept_weights_and_deterministic_parameters_move_and_nothing_is_not_a_number(trained):
    model, prunable, mask, _, before, terms = trained
    assert all(term.isfinite() for term in terms.values())
    for key, parts in prunable.items():
        for part in parts:
            kept = mask[key] == 1
            name = next(name for name, p in model.named_parameters() if p is part.parameter)
            assert part.parameter[kept].isfinite().all()
            assert (part.parameter[kept] != before[name][kept]).float().mean() > 0.9
    masked = {id(part.parameter) for parts in prunable.values() for part in parts}
    for name, parameter in model.named_parameters():
        if id(parameter) not in masked:
            assert parameter.isfinite().all()
            assert not parameter.equal(before[name]), name


def test_the_kl_term_is_that_of_the_kept_weights_alone(name, make_network, make_hparams, circumstances, images_for):
    variant, model = Bayesian(make_hparams()), make_network(name)
    apply_mask(variant.prunable(model), half_mask(variant.prunable(model)))
    expected = 0.0
    for tensor in variational_tensors(model):
        kept = tensor.log_std.isfinite()
        posterior = Normal(tensor.mean.detach()[kept].double(), tensor.log_std.detach()[kept].double().exp())
        expected += float(kl_divergence(posterior, Normal(0.0, 1.0)).sum())
    objective = variant.objective(model, circumstances)
    terms = objective.backward(images_for(name, 4), torch.arange(4), Step(0, 1))
    assert float(terms["kl"]) == pytest.approx(expected, rel=1e-5)


def test_masking_means_alone_would_leave_their_noise(make_network):
    model = make_network("mnist_lenet_12", init_std=1.0)
    with torch.no_grad():
        model.fc._weight_mean[:, ::2] = 0.0
    drawn = Posterior.of(model).draw(torch.Generator().manual_seed(0))
    weight = Posterior.of(model).split(drawn)[2]
    assert weight.shape == model.fc._weight_mean.shape
    assert weight[:, ::2].all()


def test_multiplying_log_stds_by_the_mask_would_make_the_std_one(make_network):
    model = make_network("mnist_lenet_12", init_std=0.01)
    with torch.no_grad():
        model.fc._weight_mean[:, ::2] = 0.0
        model.fc._weight_log_std[:, ::2] *= 0.0
    posterior, generator = Posterior.of(model), torch.Generator().manual_seed(0)
    weights = torch.stack([posterior.split(posterior.draw(generator))[2] for _ in range(200)])
    assert weights[:, :, ::2].std() == pytest.approx(1.0, abs=0.02)
    assert weights[:, :, 1::2].std(dim=0).max() < 0.01


def test_draws_of_the_weights_are_as_many_as_samples_and_spread_about_their_means_by_their_stds(
    small_pair, make_hparams
):
    count, (_, model) = 4000, small_pair()
    variant = Bayesian(make_hparams(samples=count))
    drawn = list(variant.sampled_weights(model, torch.Generator().manual_seed(0)))
    assert len(drawn) == count
    for tensor in variational_tensors(model):
        values, std = torch.stack([draw[tensor.name].detach() for draw in drawn]), tensor.log_std.detach().exp()
        assert ((values.mean(0) - tensor.mean.detach()) / std).abs().max() < 5 / math.sqrt(count)
        assert (values.std(0) / std - 1).abs().max() < 5 / math.sqrt(2 * count)


def test_running_statistics_are_recomputed_for_the_mean_weights_and_others_at_each_evaluation(
    small_pair, small_batch, make_hparams
):
    batches = [small_batch(6)[0], 2 * small_batch(3, seed=2)[0]]
    for batchnorm in ("running", "recalibrated"):
        deterministic, model = small_pair()
        [recomputed] = statistics_by_hand(deterministic, batches)
        before = (model.bn.running_mean.clone(), model.bn.running_var.clone())
        Bayesian(make_hparams(batchnorm=batchnorm)).recompute_statistics(model, lambda: batches)
        expected = recomputed if batchnorm == "running" else before
        torch.testing.assert_close((model.bn.running_mean, model.bn.running_var), expected)


def test_prunable_tensors_are_the_weights_by_the_deterministic_networks_names(any_model, make_network, make_hparams):
    model = make_network(any_model)
    prunable = Bayesian(make_hparams()).prunable(model)
    hparams = ModelHparams(model_name=any_model, model_init="kaiming_uniform", batchnorm_init="uniform")
    deterministic = VARIANTS.get("deterministic")().build(hparams, 10, 0)
    assert list(prunable) == prunable_tensor_names(deterministic)
    shapes = {key: deterministic.get_parameter(key).shape for key in prunable}
    assert prunable_shapes(prunable) == shapes
    assert all([part.pruned_value for part in parts] == [0.0, -math.inf] for parts in prunable.values())


def one_step(make_network, make_hparams, circumstances, images_for, factor=1.0, schedule=1.0, **training):
    name = "cifar_resnet_8_4"
    variant, model = Bayesian(make_hparams(std_lr_factor=factor)), make_network(name)
    hparams = training_hparams(**training)
    optimizer = OPTIMIZERS.get(hparams.optimizer_name)(variant.parameter_groups(model, hparams), hparams)
    set_learning_rate(optimizer, schedule)
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    steps(model, variant, optimizer, circumstances, images_for(name, 4), 1)
    return before, {key: value.detach().clone() for key, value in model.named_parameters()}


@pytest.fixture
def step_once(make_network, make_hparams, circumstances, images_for):
    return lambda **settings: one_step(make_network, make_hparams, circumstances, images_for, **settings)


def test_weight_decay_acts_on_means_and_batchnorm_and_never_on_log_stds(step_once):
    before, without = step_once()
    _, decayed = step_once(weight_decay=10.0)
    for key, value in without.items():
        if key.endswith("_log_std"):
            assert decayed[key].equal(value), key
        else:
            torch.testing.assert_close(decayed[key], value - 0.01 * 10.0 * before[key], rtol=1e-4, atol=1e-6)
            assert not before[key].any() or not decayed[key].equal(value), key


def test_adam_keeps_weight_decay_from_log_stds_too(step_once):
    _, without = step_once(optimizer_name="adam")
    _, decayed = step_once(optimizer_name="adam", weight_decay=1e3)
    moved = {key for key, value in without.items() if not decayed[key].equal(value)}
    assert moved
    assert not any(key.endswith("_log_std") for key in moved)


@pytest.mark.parametrize("schedule", [1.0, 0.1])
def test_the_std_learning_rate_factor_scales_the_steps_of_log_stds_alone(step_once, schedule):
    before, plain = step_once(schedule=schedule)
    _, scaled = step_once(schedule=schedule, factor=1000.0)
    for key, value in plain.items():
        if key.endswith("_log_std"):
            assert (scaled[key] - before[key]).abs().max() > 0
            torch.testing.assert_close(scaled[key] - value, 0.999 * (scaled[key] - before[key]), rtol=0.01, atol=1e-5)
        else:
            assert scaled[key].equal(value), key


def test_every_trainable_parameter_is_in_exactly_one_group_and_frozen_ones_in_none(make_network, make_hparams):
    model = make_network("cifar_resnet_8_4", output_frozen=True)
    groups = Bayesian(make_hparams()).parameter_groups(model, training_hparams())
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}


def test_a_network_whose_weights_are_all_frozen_still_trains_its_batchnorm(
    make_network, make_hparams, circumstances, images_for
):
    model = make_network("cifar_resnet_8_4", others_frozen=True, output_frozen=True)
    variant = Bayesian(make_hparams())
    optimizer = torch.optim.SGD(variant.parameter_groups(model, training_hparams()), lr=0.1)
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    steps(model, variant, optimizer, circumstances, images_for("cifar_resnet_8_4", 4), 1)
    moved = {key for key, value in model.named_parameters() if not value.equal(before[key])}
    assert moved == {key for key, value in model.named_parameters() if value.requires_grad}
    assert not any("_mean" in key or "_log_std" in key for key in moved)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_the_preset_is_the_papers_curriculum_on_the_familys_data_with_the_output_layer_ignored(family):
    assert dict(Bayesian.preset(family)) == {
        "dataset_name": family.defaults["dataset_name"],
        "batchnorm_init": family.defaults["batchnorm_init"],
        "batch_size": 128,
        "model_init": "torch_default",
        "optimizer_name": "adam",
        "lr": 0.001,
        "weight_decay": 0.0001,
        "milestone_steps": "80ep,120ep",
        "gamma": 0.1,
        "training_steps": "160ep",
        "pruning_strategy": "sparse_global_snr",
        "pruning_fraction": 0.2,
        "pruning_layers_to_ignore": f"{family.output_layer}.weight",
    }


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_the_preset_makes_valid_hyperparameters_and_ignores_a_layer_that_exists(family):
    family = find_family(family.examples[0])
    preset = dict(Bayesian.preset(family))
    kinds = (ModelHparams, DatasetHparams, TrainingHparams, STRATEGIES.get("sparse_global_snr").get_pruning_hparams())
    preset["model_name"] = family.examples[0]
    groups = []
    for kind in kinds:
        fields = kind.__dataclass_fields__
        groups.append(kind(**{flag: preset.pop(flag) for flag in list(preset) if flag in fields}))
    assert not preset
    assert isinstance(groups[-1], GlobalPruningHparams)
    check_strategy_fits(groups[-1].pruning_strategy, BAYESIAN)
    with torch.device("meta"):
        names = prunable_tensor_names(family.build(family.examples[0], 10))
    assert groups[-1].ignored == {names[-1]}


def test_the_variant_is_registered_with_its_hyperparameters():
    assert VARIANTS.get(BAYESIAN) is Bayesian
    assert Bayesian.name == "bayesian"
    assert Bayesian.hparams(variant_name="bayesian").samples == 10
