"""The contract that every registered family keeps; a new family is tested by being registered."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from models import MODEL_FAMILIES, ModelHparams, find_family, output_tensor_names, prunable_tensor_names

FAMILIES = [family for _, family in MODEL_FAMILIES.items()]
EXAMPLES = [example for family in FAMILIES for example in family.examples]
SMALL = ["mnist_lenet_12", "cifar_resnet_8_4", "cifar_vgg_11_4", "cifar_vit_1_32_2", "cifar_resnet_18"]
SMALL += ["imagenet_resnet_18_8", "imagenet_resnet_50_8"]

PRESET_FLAGS = {
    "dataset_name",
    "batch_size",
    "model_init",
    "batchnorm_init",
    "optimizer_name",
    "lr",
    "momentum",
    "weight_decay",
    "milestone_steps",
    "gamma",
    "training_steps",
    "warmup_steps",
    "pruning_strategy",
    "pruning_fraction",
    "pruning_layers_to_ignore",
}


@functools.cache
def build_on_meta(name: str, num_classes: int) -> nn.Module:
    with torch.device("meta"):
        return find_family(name).build(name, num_classes)


def images_for(name: str, batch: int, device: str = "cpu") -> torch.Tensor:
    channels, height, width = find_family(name).image_shape
    shape = (batch, channels, height or 64, width or 64)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_belongs_to_exactly_one_family(name):
    assert [type(family) for family in FAMILIES if family.matches(name)] == [type(find_family(name))]


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("num_classes", [10, 100])
def test_images_become_one_logit_for_each_class(name, num_classes):
    model = build_on_meta(name, num_classes)
    assert model(images_for(name, 2, "meta")).shape == (2, num_classes)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_output_layer_is_prunable_and_comes_last(name):
    model, family = build_on_meta(name, 10), find_family(name)
    assert f"{family.output_layer}.weight" == prunable_tensor_names(model)[-1]
    assert output_tensor_names(model, family) == [f"{family.output_layer}.weight", f"{family.output_layer}.bias"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_prunable_names_are_parameters_of_matrices(name):
    model = build_on_meta(name, 10)
    parameters = dict(model.named_parameters())
    assert all(parameters[tensor].dim() in (2, 4) for tensor in prunable_tensor_names(model))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_the_preset_makes_valid_hyperparameters_out_of_known_flags(family):
    assert family.defaults.keys() <= PRESET_FLAGS
    for example in family.examples:
        initial = {flag: family.defaults[flag] for flag in ("model_init", "batchnorm_init")}
        assert ModelHparams(model_name=example, **initial).model_name == example


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_layers_that_the_preset_ignores_exist(family):
    ignored = family.defaults.get("pruning_layers_to_ignore")
    if ignored:
        assert ignored in prunable_tensor_names(build_on_meta(family.examples[0], 10))


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_gives_the_same_logits(name):
    torch.manual_seed(0)
    model = find_family(name).build(name, 10).eval()
    images = images_for(name, 2)
    with torch.no_grad():
        expected = model(images)
        model = model.to(memory_format=torch.channels_last)
        found = model(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    model = find_family(name).build(name, 10)
    model(images_for(name, 2)).logsumexp(1).sum().backward()
    assert [key for key, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("name", ["mnist_lenet_12", "cifar_resnet_8_4", "cifar_vgg_11_4", "imagenet_resnet_18_8"])
def test_weights_can_be_replaced_and_mapped_over(name):
    torch.manual_seed(0)
    model = find_family(name).build(name, 10).eval()
    images, weights = images_for(name, 2), {key: value.detach() for key, value in model.named_parameters()}
    stacked = {key: torch.stack([value, 0.5 * value]) for key, value in weights.items()}
    logits = torch.func.vmap(lambda sample: torch.func.functional_call(model, sample, (images,)))(stacked)
    assert logits.shape == (2, 2, 10)
    torch.testing.assert_close(logits[0], model(images), rtol=1e-3, atol=1e-4)
