from __future__ import annotations

import math

import pytest

from foundations.errors import InvalidValue
from training import OBJECTIVES, TrainingHparams

VALID = {"optimizer_name": "sgd", "lr": 0.1, "training_steps": "160ep"}

WRONG = [
    ({"optimizer_name": "sdg"}, "--optimizer_name=sdg: valid values are sgd, adam"),
    ({"lr": 0.0}, "--lr=0.0: must be greater than 0"),
    ({"lr": -0.1}, "--lr=-0.1: must be greater than 0"),
    ({"lr": math.nan}, "--lr=nan: "),
    ({"lr": math.inf}, "--lr=inf: "),
    ({"training_steps": "160"}, "--training_steps=160: a number of steps looks like 160ep, 500it or 10ep3it"),
    ({"training_steps": "1ep,2ep"}, "--training_steps=1ep,2ep: "),
    ({"training_steps": ""}, "--training_steps=: "),
    ({"warmup_steps": "five"}, "--warmup_steps=five: a number of steps looks like"),
    ({"milestone_steps": "80ep;120ep", "gamma": 0.1}, "--milestone_steps=80ep;120ep: a list of steps looks like"),
    ({"milestone_steps": "", "gamma": 0.1}, "--milestone_steps=: "),
    ({"milestone_steps": "80ep"}, "--gamma=None: milestone_steps and gamma are given together"),
    ({"gamma": 0.1}, "--milestone_steps=None: milestone_steps and gamma are given together"),
    ({"milestone_steps": "80ep", "gamma": math.nan}, "--gamma=nan: "),
    ({"milestone_steps": "80ep", "gamma": -0.1}, "--gamma=-0.1: must not be negative"),
    ({"momentum": 1.0}, "--momentum=1.0: must be at least 0 and less than 1"),
    ({"momentum": -0.1}, "--momentum=-0.1: must be at least 0 and less than 1"),
    ({"momentum": math.nan}, "--momentum=nan: "),
    ({"nesterov_momentum": 1.5}, "--nesterov_momentum=1.5: must be at least 0 and less than 1"),
    ({"weight_decay": -1e-4}, "--weight_decay=-0.0001: must not be negative"),
    ({"weight_decay": math.nan}, "--weight_decay=nan: must not be negative"),
    ({"objective": "hinge"}, "--objective=hinge: valid values are cross_entropy"),
    ({"precision": "fp8"}, "--precision=fp8: valid values are fp32, bf16, fp16"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message.split(":")[0] for _, message in WRONG])
def test_an_invalid_value_is_refused_in_one_line_that_names_the_flag(changes, message):
    with pytest.raises(InvalidValue) as caught:
        TrainingHparams(**{**VALID, **changes})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"momentum": 0.9},
        {"nesterov_momentum": 0.9},
        {"milestone_steps": "80ep,120ep", "gamma": 0.1},
        {"milestone_steps": "80ep", "gamma": 0.0},
        {"milestone_steps": "80ep", "gamma": 2.0},
        {"warmup_steps": "20ep"},
        {"weight_decay": 0.0},
        {"weight_decay": 1e-4},
        {"data_order_seed": 0},
        {"precision": "bf16"},
        {"apex_fp16": True},
        {"training_steps": "0it"},
        {"optimizer_name": "adam"},
    ],
)
def test_what_openlth_takes_is_taken(changes):
    hparams = TrainingHparams(**{**VALID, **changes})
    assert all(getattr(hparams, name) == value for name, value in changes.items())


def test_an_objective_enters_the_text_only_if_it_is_another(monkeypatch):
    monkeypatch.setattr(OBJECTIVES, "_entries", {**OBJECTIVES._entries, "hinge": None})
    plain, other = TrainingHparams(**VALID), TrainingHparams(**VALID, objective="hinge")
    assert str(plain) == "Hparams(lr=0.1, optimizer_name='sgd', training_steps='160ep')"
    assert str(other) == "Hparams(lr=0.1, objective='hinge', optimizer_name='sgd', training_steps='160ep')"
    assert "objective" not in plain.display() and "objective => hinge" in other.display()


def test_the_text_is_openlths():
    hparams = TrainingHparams(**VALID, momentum=0.9, milestone_steps="80ep,120ep", gamma=0.1, weight_decay=1e-4)
    assert str(hparams) == (
        "Hparams(gamma=0.1, lr=0.1, milestone_steps='80ep,120ep', momentum=0.9, optimizer_name='sgd', "
        "training_steps='160ep', weight_decay=0.0001)"
    )


@pytest.mark.parametrize(
    ("changes", "expected"), [({}, "fp32"), ({"precision": "bf16"}, "bf16"), ({"apex_fp16": True}, "fp16")]
)
def test_the_arithmetic_follows_from_either_flag(changes, expected):
    assert TrainingHparams(**VALID, **changes).arithmetic == expected
