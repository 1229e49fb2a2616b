from __future__ import annotations

import pytest
import torch
from torch import nn

from datasets import DatasetHparams
from foundations.errors import InvalidValue
from models import ModelHparams, build_network, find_family
from training import check_images_fit


@pytest.mark.parametrize(
    ("name", "output_layer", "image_shape"),
    [
        ("timm:test_resnet", "fc", (3, None, None)),
        ("timm:vit_tiny_patch16_224", "head", (3, 224, 224)),
        ("timm:deit3_small_patch16_384", "head", (3, 384, 384)),
        ("timm:mobilenetv3_small_050", "classifier", (3, None, None)),
        ("torchvision:squeezenet1_1", "classifier.1", (3, None, None)),
        ("torchvision:vit_b_16", "heads.head", (3, 224, 224)),
        ("torchvision:googlenet", "fc", (3, None, None)),
        ("torchvision:regnet_y_400mf", "fc", (3, None, None)),  # cannot be built without memory
    ],
)
def test_what_a_network_takes_and_where_its_logits_come_from_are_found(name, output_layer, image_shape):
    family = find_family(name)
    assert (family.output_layer, family.image_shape) == (output_layer, image_shape)


def test_looking_at_a_network_draws_nothing_from_the_default_generator():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    find_family("torchvision:regnet_y_800mf")
    assert torch.equal(torch.rand(1), expected)


def test_its_weights_are_those_that_the_library_draws():
    import timm

    hparams = ModelHparams(model_name="timm:test_resnet", model_init="as_built", batchnorm_init="as_built")
    torch.manual_seed(7)
    expected = timm.create_model("test_resnet", num_classes=5).state_dict()
    found = build_network(hparams, 5, seed=7).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_its_weights_can_be_drawn_in_another_way():
    hparams = ModelHparams(model_name="timm:test_resnet", model_init="kaiming_normal", batchnorm_init="fixed")
    layer = next(m for m in build_network(hparams, 5, seed=7).modules() if isinstance(m, nn.Conv2d) and m.groups == 1)
    assert layer.weight.std().item() == pytest.approx((2 / layer.weight[0].numel()) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet81", "did you mean timm:resnet18"),
        ("torchvision:resnet81", "did you mean torchvision:resnet18"),
        ("torchvision:fasterrcnn_resnet50_fpn", "torchvision.models.list_models() has the"),
        ("timm:crossvit_9_240", "has 2 output layers, not one: head.0, head.1"),
        ("timm:", "timm.list_models() has the"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(name, message):
    with pytest.raises(InvalidValue) as caught:
        find_family(name)
    assert caught.value.field == "model_name"
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("torchvision:alexnet", "--image_size brings"), ("timm:vit_tiny_patch16_224", "--image_size=224 brings")],
)
def test_images_with_which_it_cannot_compute_are_refused_before_training(name, hint):
    model = ModelHparams(model_name=name, model_init="as_built", batchnorm_init="as_built")
    with pytest.raises(InvalidValue, match=hint):
        check_images_fit(model, DatasetHparams(dataset_name="cifar10", batch_size=4))
    check_images_fit(model, DatasetHparams(dataset_name="cifar10", batch_size=4, image_size=224))


def test_leaving_weights_as_built_changes_none():
    layer = nn.Conv2d(3, 4, 3)
    before = layer.weight.clone()
    from models import BATCHNORM_INITIALIZERS, INITIALIZERS

    layer.apply(INITIALIZERS.get("as_built"))
    norm = nn.BatchNorm2d(4).apply(BATCHNORM_INITIALIZERS.get("as_built"))
    assert torch.equal(layer.weight, before) and torch.equal(norm.weight, torch.ones(4))
