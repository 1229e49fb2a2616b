from __future__ import annotations

import pytest
import torch
from torch import nn

from training import OPTIMIZERS, TrainingHparams, unreached_changes
from training.optimizers import fit_to, is_capturable, let_capture, portable_state, set_learning_rate


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


def test_what_changes_from_step_to_step_lies_on_the_device_of_a_captured_optimiser_and_steps_stay_the_same():
    weights = [nn.Parameter(torch.tensor([2.0])) for _ in range(2)]
    plain, captured = (torch.optim.Adam([{"params": [one], "lr": 0.5}], fused=True) for one in weights)
    for number in range(6):
        if number == 2:  # as after a checkpoint
            assert is_capturable(captured)
            let_capture(captured)
        for optimizer, weight in ((plain, weights[0]), (captured, weights[1])):
            set_learning_rate(optimizer, 0.5**number)  # all of them exact in single precision
            weight.grad = torch.tensor([1.0])
            optimizer.step()
        assert weights[0].equal(weights[1])
    [group] = captured.param_groups
    assert isinstance(group["lr"], torch.Tensor) and group["capturable"]
    saved, expected = portable_state(captured), plain.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    assert {name: float(saved["state"][0][name]) for name in expected["state"][0]} == {
        name: float(value) for name, value in expected["state"][0].items()
    }


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda w: torch.optim.SGD(w, lr=0.1, fused=True), True),
        (lambda w: torch.optim.SGD(w, lr=0.1), False),
        (lambda w: torch.optim.AdamW(w, lr=0.1), True),
        (lambda w: torch.optim.Adagrad(w, lr=0.1), False),
        (lambda w: torch.optim.LBFGS(w, lr=0.1), False),
    ],
)
def test_optimisers_that_keep_numbers_on_the_host_cannot_be_captured(make, expected):
    assert is_capturable(make([nn.Parameter(torch.zeros(1))])) is expected


@pytest.mark.parametrize(
    ("flags", "unreached"),
    [
        ({}, []),
        ({"milestone_steps": "80ep,120ep", "gamma": 0.1}, []),
        ({"milestone_steps": "80ep,160ep,200ep", "gamma": 0.1}, ["--milestone_steps=160ep,200ep"]),
        ({"milestone_steps": "159ep9it", "gamma": 0.1, "warmup_steps": "159ep"}, []),
        ({"warmup_steps": "1600it"}, ["--warmup_steps=1600it"]),
        (
            {"milestone_steps": "1601it", "gamma": 0.1, "warmup_steps": "200ep"},
            ["--milestone_steps=1601it", "--warmup_steps=200ep"],
        ),
    ],
)
def test_what_the_schedule_has_beyond_the_end_of_training_is_known(flags, unreached):
    hparams = TrainingHparams(optimizer_name="sgd", lr=0.1, training_steps="160ep", **flags)
    assert unreached_changes(hparams, iterations_per_epoch=10) == unreached


def trained_adam() -> torch.optim.Optimizer:
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1, weight_decay=0.5)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("change", [{"of_the_future": False}, {"of_the_future": None}, {"decoupled_weight_decay": ...}])
def test_a_checkpoint_of_another_version_of_pytorch_is_taken_if_what_it_knows_is_off(change):
    optimizer = trained_adam()
    saved = optimizer.state_dict()
    for name, value in change.items():
        if value is ...:  # an older version does not have it
            saved["param_groups"][0].pop(name, None)
        else:
            saved["param_groups"][0][name] = value
    fit_to(optimizer, saved)
    optimizer.load_state_dict(saved)
    optimizer.step()


@pytest.mark.parametrize("change", [{"of_the_future": True}, {"momentum": 0.9}])
def test_a_setting_that_this_version_does_not_have_is_named(change):
    saved = trained_adam().state_dict()
    saved["param_groups"][0] |= change
    with pytest.raises(ValueError, match=f"of another version of PyTorch, by {next(iter(change))}"):
        fit_to(trained_adam(), saved)


def test_a_setting_that_is_missing_is_named():
    saved = trained_adam().state_dict()
    del saved["param_groups"][0]["betas"]
    with pytest.raises(ValueError, match="another optimiser's, or of another version of PyTorch, by betas"):
        fit_to(trained_adam(), saved)


@pytest.mark.parametrize(
    "change", [{"weight_decay": 7.0}, {"betas": ("a", "b")}, {"amsgrad": True}, {"initial_lr": 9.0}]
)
def test_the_commands_settings_win_over_those_in_a_checkpoint(change):
    optimizer, saved = trained_adam(), trained_adam().state_dict()
    saved["param_groups"][0] |= change
    fit_to(optimizer, saved)
    optimizer.load_state_dict(saved)
    group = optimizer.param_groups[0]
    assert (group["weight_decay"], group["betas"], group["amsgrad"]) == (0.5, (0.9, 0.999), False)
    assert group["initial_lr"] == 0.1
    optimizer.step()


def test_an_optimiser_that_is_not_torchs_keeps_its_settings_but_computes_as_this_device_does():
    class Own(torch.optim.Adam):
        pass

    optimizer = Own(nn.Linear(3, 2).parameters(), lr=0.1, fused=False)
    saved = optimizer.state_dict()
    saved["param_groups"][0] |= {"fused": True, "betas": (0.5, 0.5)}
    fit_to(optimizer, saved)
    assert (saved["param_groups"][0]["fused"], saved["param_groups"][0]["betas"]) == (False, (0.5, 0.5))
