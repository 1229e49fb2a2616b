from __future__ import annotations

import pytest
import torch
from torch import nn

from models import PRUNABLE_LAYERS, prunable_layers, prunable_tensor_names
from models.residual import ResidualNetwork


class OtherLayer(nn.Module):
    """Another kind of layer, whose parameters have other names."""

    def __init__(self) -> None:
        super().__init__()
        self._weight_mean = nn.Parameter(torch.zeros(1))


def test_only_linear_and_convolutional_weights_are_prunable():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4), nn.Embedding(2, 2), nn.Linear(4, 2))
    assert prunable_tensor_names(model) == ["0.weight", "4.weight"]
    assert list(prunable_layers(model).values()) == [model[0], model[4]]


@pytest.mark.parametrize("swapped", ["conv", "blocks.0.conv2", "fc"])
def test_names_and_order_survive_a_swap_of_layers(swapped, monkeypatch):
    monkeypatch.setattr(PRUNABLE_LAYERS, "_entries", dict(PRUNABLE_LAYERS._entries))
    PRUNABLE_LAYERS.register("other")(OtherLayer)
    model = ResidualNetwork([4, 8], 1, 10)
    before = prunable_tensor_names(model)
    model.set_submodule(swapped, OtherLayer())
    assert prunable_tensor_names(model) == before
