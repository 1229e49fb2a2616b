"""A score that does not give every weight one is refused with words that its author can use."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from foundations.errors import UserError
from pruning import STRATEGIES, GlobalPruningHparams, Mask, register_global_strategy

MASK = Mask({"weight": torch.ones(3, 2), "other.weight": torch.ones(4)})


@pytest.fixture
def pruned_by(monkeypatch):
    """Prune by a score, under the name `odd`."""
    monkeypatch.setattr(STRATEGIES, "_entries", dict(STRATEGIES._entries))

    def prune(scores):
        register_global_strategy("odd", "", lambda model, mask, generator: scores, ())
        hparams = GlobalPruningHparams(pruning_strategy="odd", pruning_fraction=0.5)
        return STRATEGIES.get("odd").prune(hparams, nn.Linear(2, 3), MASK, torch.Generator())

    return prune


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"weight": torch.ones(3, 2)}, "other.weight a tensor of shape (4,), not NoneType"),
        (
            {"weight": torch.ones(3), "other.weight": torch.ones(4)},
            "weight a tensor of shape (3, 2), not a tensor of shape (3,)",
        ),
        ([torch.ones(3, 2), torch.ones(4)], "weight a tensor of shape (3, 2), not list"),
    ],
    ids=["missing", "shape", "type"],
)
def test_the_strategy_and_the_tensor_are_named(pruned_by, scores, reason):
    with pytest.raises(UserError, match=re.escape(f"--pruning_strategy=odd: its score must give {reason}")):
        pruned_by(scores)


def test_a_score_for_every_weight_is_taken(pruned_by):
    scores = {"weight": torch.arange(0.0, 12.0, 2).view(3, 2), "other.weight": torch.arange(1.0, 9.0, 2)}
    assert pruned_by(scores).unpruned == 10 - (5 + 1)
