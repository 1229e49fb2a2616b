"""Strategies that look at the lottery that they prune: data, gradients, initial and rewound weights."""

from __future__ import annotations

import itertools

import pytest
import torch

from bayesian.adapter import variational_tensors
from foundations.errors import UserError
from pruning import STRATEGIES, GlobalPruningHparams, Mask, prunable_weights, register_global_strategy
from tests.open_lth.running import BAYESIAN, LENET, OUTPUT, ROTATIONS, Trunk, mask, weights

WORDS = (*LENET, "--pruning_layers_to_ignore=")


@pytest.fixture
def register(monkeypatch):
    """Register scores for the test alone."""
    monkeypatch.setattr(STRATEGIES, "_entries", dict(STRATEGIES._entries))

    def add(name, score):
        register_global_strategy(name, "a score of a test", score, ())

    return add


def snip(model, mask, generator, lottery):
    gradients = lottery.gradients(model, 2)
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in prunable_weights(model).items()}


def movement(model, mask, generator, lottery):
    before = prunable_weights(lottery.initial_network())
    return {name: (w.detach() - before[name].detach()).abs() for name, w in prunable_weights(model).items()}


def test_snip_is_ten_lines_and_prunes_what_matters_least_to_the_loss(workplace, register):
    asked = []

    def score(model, mask, generator, lottery):
        found = snip(model, mask, generator, lottery)
        batches = list(itertools.islice(lottery.batches(), 2))
        loss = sum(torch.nn.functional.cross_entropy(model(x), y) for x, y in batches) / 2
        names = list(prunable_weights(model))
        own = torch.autograd.grad(loss, [model.get_parameter(name) for name in names])
        for name, gradient in zip(names, own, strict=True):
            expected = (model.get_parameter(name).detach() * gradient).abs()
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-7)
        asked.append((lottery.level, sorted(lottery.hparams)))
        return found

    register("snip", score)
    trunk = Trunk(workplace, (*WORDS, "--pruning_strategy=snip"))
    trunk.find_tickets(levels=2)
    groups = ["dataset_hparams", "model_hparams", "pruning_hparams", "training_hparams"]
    assert asked == [(1, groups), (1, groups), (2, groups)]  # once on the untrained network
    assert 0 < int(mask(trunk.level(2))[OUTPUT].sum()) <= 120


def test_weights_that_moved_least_go(workplace, register):
    register("movement", movement)
    trunk = Trunk(workplace, (*WORDS, "--pruning_strategy=movement"))
    trunk.find_tickets(levels=1)
    before, after = weights(trunk.level(0), "ep0_it0"), weights(trunk.level(0), "ep2_it0")
    kept = mask(trunk.level(1))
    moved = {name: (after[name] - before[name]).abs() for name in kept}
    assert max(moved[n][kept[n] == 0].max() for n in kept if bool((kept[n] == 0).any())) < min(
        moved[n][kept[n] == 1].min() for n in kept
    )


def test_initial_weights_are_those_before_pretraining_and_rewound_ones_those_after_it(workplace, register):
    seen = []

    def score(model, mask, generator, lottery):
        networks = (lottery.initial_network(), lottery.rewound_network())
        seen.append([network.state_dict() for network in networks])
        return movement(model, mask, generator, lottery)

    register("rewound", score)
    trunk = Trunk(workplace, (*WORDS, "--pruning_strategy=rewound", "--rewinding_steps=3it"))
    trunk.find_tickets(levels=1)
    initial, rewound = seen[-1]
    at_first, later = weights(trunk.level("pretrain"), "ep0_it0"), weights(trunk.level(0), "ep0_it3")
    assert all(torch.equal(initial[name], at_first[name]) and torch.equal(rewound[name], later[name]) for name in later)


def test_initial_weights_before_pretraining_on_other_classes_are_refused_before_anything_is_trained(
    workplace, register
):
    register("movement", movement)
    words = ("lottery", "--levels=1", "--quiet", *WORDS, *ROTATIONS, "--pruning_strategy=movement")
    assert "pretrained on another number of classes" in workplace.refused(*words)
    assert not workplace.root.exists() or not workplace.files()
    trunk = Trunk(workplace, words[3:])
    trunk.find_tickets(levels=0)
    assert "pretrained on another number of classes" in workplace.refused(*words)


def test_gradients_of_a_bayesian_network_are_those_of_its_means(workplace, register):
    def score(model, mask, generator, lottery):
        gradients = lottery.gradients(model, 1)
        tensors = {tensor.name: tensor for tensor in variational_tensors(model) if tensor.is_weight}
        own = {name: tensor.state_names[name][0] for name, tensor in tensors.items()}
        return {name: (tensor.mean.detach() * gradients[own[name]]).abs() for name, tensor in tensors.items()}

    register("bayesian_snip", score)
    trunk = Trunk(workplace, (*WORDS, *BAYESIAN, "--pruning_strategy=bayesian_snip"))
    trunk.find_tickets(levels=1)
    total = sum(tensor.numel() for tensor in mask(trunk.level(1)).values())
    assert sum(int(tensor.sum()) for tensor in mask(trunk.level(1)).values()) == pytest.approx(0.8 * total, rel=0.01)


def test_without_a_lottery_such_a_score_says_what_it_lacks(register):
    register("snip", snip)
    hparams = GlobalPruningHparams(pruning_strategy="snip")
    with pytest.raises(UserError, match="--pruning_strategy=snip: looks at the lottery"):
        STRATEGIES.get("snip").prune(hparams, torch.nn.Linear(2, 2), Mask.ones({"weight": (2, 2)}), torch.Generator())
