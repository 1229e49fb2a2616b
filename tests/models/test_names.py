"""Which names belong to which family, and that the numbers in them mean what they say."""

from __future__ import annotations

import pytest
import torch

from models import find_family, prunable_tensor_names
from models.cifar_resnet import CifarResNet18Family, CifarResNetFamily
from models.cifar_vgg import CifarVggFamily
from models.cifar_vit import CifarVitFamily
from models.imagenet_resnet import ImageNetResNetFamily
from models.lenet import LeNetFamily

WRONG = {
    CifarResNetFamily: [
        "cifar_resnet_2",
        "cifar_resnet_18",
        "cifar_resnet_20_0",
        "cifar_resnet_20_16_3",
        "cifar_resnet_020",
        "cifar_resnet_-4",
        "cifar_resnet_20_",
        "cifar_resnet_\uff12\uff10",
    ],
    CifarResNet18Family: ["cifar_resnet_18_16", "cifar_resnet_20"],
    CifarVggFamily: ["cifar_vgg_12", "cifar_vgg", "cifar_vgg_11_0", "cifar_vgg_11_4_2", "cifar_vgg_11\n"],
    CifarVitFamily: [
        "cifar_vit",
        "cifar_vit_huge",
        "cifar_vit_2_32",
        "cifar_vit_2_32_3",
        "cifar_vit_2_32_0",
        "cifar_vit_tiny_2",
        "cifar_vit_2_32_2\n",
    ],
    ImageNetResNetFamily: ["imagenet_resnet_19", "imagenet_resnet_18_0", "imagenet_resnet"],
    LeNetFamily: ["mnist_lenet", "mnist_lenet_", "mnist_lenet_0", "mnist_lenet_a", "mnist_lenet_300__100"],
}


def parameters(name: str, num_classes: int = 10) -> int:
    with torch.device("meta"):
        model = find_family(name).build(name, num_classes)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in WRONG.items() for name in names])
def test_wrong_names_do_not_match(family, name):
    assert not family().matches(name)


@pytest.mark.parametrize(
    ("name", "num_classes", "expected"),
    [
        ("mnist_lenet_300_100", 10, 266_610),
        ("cifar_resnet_20", 10, 272_474),
        ("cifar_resnet_110", 10, 1_730_714),
        ("cifar_resnet_18", 10, 11_173_962),
        ("cifar_vgg_11", 10, 9_231_114),
        ("cifar_vgg_19", 10, 20_040_522),
        ("imagenet_resnet_18", 1000, 11_689_512),
        ("imagenet_resnet_50", 1000, 25_557_032),
    ],
)
def test_the_published_number_of_parameters(name, num_classes, expected):
    assert parameters(name, num_classes) == expected


def test_the_default_width_may_be_spelled_out():
    assert parameters("cifar_resnet_20_16") == parameters("cifar_resnet_20")
    assert parameters("cifar_vgg_11_64") == parameters("cifar_vgg_11")
    assert parameters("cifar_vit_12_192_3") == parameters("cifar_vit_tiny")
    assert parameters("imagenet_resnet_18_64") == parameters("imagenet_resnet_18")


def test_twice_the_width_is_four_times_the_weights_of_inner_convolutions():
    with torch.device("meta"):
        narrow = find_family("imagenet_resnet_18_8").build("imagenet_resnet_18_8", 10)
        wide = find_family("imagenet_resnet_18_16").build("imagenet_resnet_18_16", 10)
    for name in prunable_tensor_names(narrow)[1:-1]:
        assert wide.get_parameter(name).numel() == 4 * narrow.get_parameter(name).numel()


@pytest.mark.parametrize(("depth", "convolutions"), [(8, 7 + 2), (20, 19 + 2), (110, 109 + 2)])
def test_the_depth_counts_convolutions_and_the_output_layer(depth, convolutions):
    with torch.device("meta"):
        model = find_family(f"cifar_resnet_{depth}").build(f"cifar_resnet_{depth}", 10)
    assert len(prunable_tensor_names(model)) == convolutions + 1


def test_a_transformer_has_four_matrices_a_block_of_its_width():
    with torch.device("meta"):
        model = find_family("cifar_vit_2_32_2").build("cifar_vit_2_32_2", 10)
    block = {"attn.qkv": (96, 32), "attn.proj": (32, 32), "mlp.fc1": (128, 32), "mlp.fc2": (32, 128)}
    expected = {"patch_embed.proj.weight": (32, 3, 4, 4), "head.weight": (10, 32)}
    expected |= {f"blocks.{number}.{name}.weight": shape for number in (0, 1) for name, shape in block.items()}
    found = {name: tuple(model.get_parameter(name).shape) for name in prunable_tensor_names(model)}
    assert found == expected
    assert model.blocks[0].attn.num_heads == 2
