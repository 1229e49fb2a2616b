from __future__ import annotations

from torch import nn

from models import prunable_layers, prunable_tensor_names


def test_only_linear_and_convolutional_weights_are_prunable():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(4), nn.Embedding(2, 2), nn.Linear(4, 2))
    assert prunable_tensor_names(model) == ["0.weight", "4.weight"]
    assert list(prunable_layers(model).values()) == [model[0], model[4]]
