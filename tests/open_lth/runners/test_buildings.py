"""A network is built once a level, and once more, without weights, to know its shapes; a name is made once."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from models import INITIALIZERS
from open_lth.runners import descs
from tests.open_lth.running import KINDS, LENET, Trunk, results
from training import TrainingRun


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many networks have been built, by the device on which."""
    counts: Counter[str] = Counter()
    original = TrainingRun.new_network

    def counted(self: TrainingRun, seed: int) -> nn.Module:
        counts[torch.get_default_device().type] += 1
        return original(self, seed)

    monkeypatch.setattr(TrainingRun, "new_network", counted)
    return counts


@pytest.fixture
def lottery(workplace, kind) -> Trunk:
    """A lottery that has not begun."""
    return Trunk(workplace, (*LENET, "--training_steps=2it", *KINDS[kind]))


@pytest.mark.parametrize("words", [(), ("--lrr",)], ids=["weights rewound", "learning rate rewound"])
def test_a_lottery_builds_a_network_for_each_level(lottery, built, words):
    lottery.workplace.done("lottery", "--levels=2", "--quiet", *lottery.words, *words)
    assert built == {"cpu": 3, "meta": 1}


def test_it_builds_none_for_the_levels_that_are_there(lottery, built):
    lottery.find_tickets(levels=1)
    built.clear()
    lottery.find_tickets(levels=1)
    assert built == {}
    lottery.find_tickets(levels=2)
    assert built == {"cpu": 1, "meta": 1}


def test_a_branch_builds_a_network_for_each_level(lottery, built):
    lottery.find_tickets(levels=2)
    built.clear()
    lottery.branch("reinit", levels="0-2")
    assert built == {"cpu": 3, "meta": 1}


def test_a_lotterys_name_is_made_once(lottery, monkeypatch):
    made = []
    original = descs.hashed_name
    monkeypatch.setattr(descs, "hashed_name", lambda *args: made.append(args) or original(*args))
    lottery.find_tickets(levels=2)
    assert len(made) == 1


def test_what_has_to_see_numbers_is_built_with_weights(workplace, built, monkeypatch):
    def kaiming_normal_that_looks(module: nn.Module) -> None:
        INITIALIZERS.get("kaiming_normal")(module)
        if isinstance(module, nn.Linear):
            assert float(module.weight.detach().std()) > 0

    monkeypatch.setattr(INITIALIZERS, "_entries", {**INITIALIZERS._entries, "looking": kaiming_normal_that_looks})
    looking = Trunk(workplace, (*LENET, "--training_steps=2it", "--model_init=looking"))
    looking.find_tickets(levels=1)
    assert built == {"cpu": 3, "meta": 1}
    plain = Trunk(workplace, (*LENET, "--training_steps=2it"))
    plain.find_tickets(levels=1)
    assert results(looking.directory) == results(plain.directory)
