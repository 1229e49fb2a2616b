"""Training data and gradients for those who look at a network without training it."""

from __future__ import annotations

import itertools

import torch
from torch.nn import functional as F

from training.probing import average_gradient, training_batches


def first(iterator, count):
    return list(itertools.islice(iterator, count))


def test_batches_are_the_same_for_the_same_purpose_and_go_on_after_an_epoch(runs, tmp_path):
    run = runs.make(tmp_path)
    one, same, other = (first(training_batches(run, purpose), 6) for purpose in ("pruning", "pruning", "analysis"))
    assert [len(labels) for _, labels in one] == [8, 8, 8, 5, 8, 8]
    assert all(torch.equal(a, b) and torch.equal(c, d) for (a, c), (b, d) in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for (a, _), (b, _) in zip(one, other, strict=True))
    assert not torch.equal(one[0][0], one[4][0]), "another epoch has another order"


def test_the_gradient_is_autograds_and_the_network_stays_as_it_is(runs, tmp_path):
    run = runs.make(tmp_path)
    model = run.new_network(seed=3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = average_gradient(run, model, 3, "pruning")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    loss = sum(F.cross_entropy(model(x), y) for x, y in first(training_batches(run, "pruning"), 3)) / 3
    loss.backward()
    assert found.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-5, atol=1e-7)
    again = average_gradient(run, model, 3, "pruning")
    assert all(torch.equal(found[name], again[name]) for name in found)
