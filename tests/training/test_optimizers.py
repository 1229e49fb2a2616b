from __future__ import annotations

import pytest
import torch
from torch import nn

from training import OPTIMIZERS, TrainingHparams


def one_weight(**changes: object) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    hparams = TrainingHparams(**{"optimizer_name": "sgd", "lr": 0.1, "training_steps": "1ep", **changes})
    return weight, OPTIMIZERS.get(hparams.optimizer_name)([{"params": [weight]}], hparams)


def trajectory(gradients: list[float], **changes: object) -> list[float]:
    weight, optimizer = one_weight(**changes)
    values = []
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        values.append(weight.item())
    return values


def sgd_by_hand(gradients: list[float], lr: float, momentum: float, nesterov: bool, decay: float) -> list[float]:
    weight, velocity, values = 2.0, 0.0, []
    for number, gradient in enumerate(gradients):
        gradient += decay * weight
        velocity = gradient if number == 0 else momentum * velocity + gradient
        weight -= lr * (gradient + momentum * velocity if nesterov else velocity)
        values.append(weight)
    return values


def adam_by_hand(gradients: list[float], lr: float, decay: float) -> list[float]:
    weight, first, second, values = 2.0, 0.0, 0.0, []
    for number, gradient in enumerate(gradients, start=1):
        gradient += decay * weight
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weight -= lr * (first / (1 - 0.9**number)) / ((second / (1 - 0.999**number)) ** 0.5 + 1e-8)
        values.append(weight)
    return values


GRADIENTS = [1.0, -0.5, 0.25, 3.0]


@pytest.mark.parametrize("decay", [None, 0.0, 0.3])
@pytest.mark.parametrize(
    ("changes", "momentum", "nesterov"),
    [
        ({}, 0.0, False),
        ({"momentum": 0.9}, 0.9, False),
        ({"nesterov_momentum": 0.8}, 0.8, True),
        ({"momentum": 0.9, "nesterov_momentum": 0.8}, 0.9, True),
    ],
)
def test_sgd_steps_as_by_hand(changes, momentum, nesterov, decay):
    found = trajectory(GRADIENTS, lr=0.05, weight_decay=decay, **changes)
    assert found == pytest.approx(sgd_by_hand(GRADIENTS, 0.05, momentum, nesterov, decay or 0.0), rel=1e-12)


@pytest.mark.parametrize("decay", [None, 0.3])
def test_adam_steps_as_by_hand_with_weight_decay_as_a_penalty(decay):
    found = trajectory(GRADIENTS, optimizer_name="adam", lr=0.05, weight_decay=decay)
    assert found == pytest.approx(adam_by_hand(GRADIENTS, 0.05, decay or 0.0), rel=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_group_may_differ_from_the_defaults(name):
    hparams = TrainingHparams(optimizer_name=name, lr=0.1, training_steps="1ep", weight_decay=0.5)
    weights = [nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [{"params": weights[:1]}, {"params": weights[1:], "weight_decay": 0.0, "lr": 0.7}]
    optimizer = OPTIMIZERS.get(name)(groups, hparams)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.1, 0.5), (0.7, 0.0)]


def test_openlths_two_optimisers_are_there():
    assert {"sgd", "adam"} <= set(OPTIMIZERS.names())
