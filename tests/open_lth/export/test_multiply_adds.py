"""Multiply-adds are those that the formulas give."""

from __future__ import annotations

import pytest
import torch

from models import find_family, prunable_tensor_names
from open_lth.export.multiply_adds import multiply_adds


def counted(name: str):
    family = find_family(name)
    return multiply_adds(family.build(name, 10).eval(), torch.zeros(1, *family.image_shape))


def test_a_linear_layer_has_one_for_each_weight():
    counts = counted("mnist_lenet_30_20")
    assert counts.layers == {"fc_layers.0": 784 * 30, "fc_layers.1": 30 * 20, "fc": 20 * 10}
    assert counts.total == 784 * 30 + 30 * 20 + 20 * 10 and counts.elsewhere == 0


def test_a_convolution_has_one_for_each_weight_and_position():
    counts = counted("cifar_vgg_11_4")
    sizes = [(3, 4, 32), (4, 8, 16), (8, 16, 8), (16, 16, 8), (16, 32, 4), (32, 32, 4), (32, 32, 2), (32, 32, 2)]
    expected = [inputs * outputs * 9 * side**2 for inputs, outputs, side in sizes]
    assert list(counts.layers.values()) == [*expected, 32 * 10]
    assert counts.total == sum(expected) + 320


def test_a_shortcut_with_a_stride_has_one_for_each_weight_and_position_behind_it():
    assert counted("cifar_resnet_8_16").layers["blocks.1.shortcut.0"] == 16 * 32 * 16**2


def test_attention_multiplies_tokens_with_each_other_as_well():
    counts, width, tokens = counted("cifar_vit_1_32_2"), 32, 65
    per_token = width * 3 * width + width * width + 2 * width * 4 * width
    patches = 64 * width * 3 * 16
    assert counts.elsewhere == 2 * tokens**2 * width
    assert counts.total == tokens * per_token + patches + counts.elsewhere + width * 10


@pytest.mark.parametrize("density", [0.0, 0.25, 1.0])
def test_of_kept_weights_it_counts_each_wherever_it_is_applied(density):
    counts = counted("cifar_vgg_11_4")
    names = [name for name in prunable_tensor_names(find_family("cifar_vgg_11_4").build("cifar_vgg_11_4", 10))]
    densities = dict.fromkeys(names[:-1], density)
    assert counts.of_kept(densities) == pytest.approx(density * (counts.total - 320) + 320)
