from __future__ import annotations

import math

import torch
from torch import nn

from foundations.step import Step
from training.objective import CrossEntropy, accuracy
from training.precision import Precision

CPU = torch.device("cpu")


def test_accuracy_is_the_fraction_of_rows_whose_greatest_entry_is_the_labels():
    scores = torch.tensor([[0.1, 0.9], [3.0, -1.0], [-2.0, -1.0], [5.0, 4.0]])
    assert accuracy(scores, torch.tensor([1, 0, 0, 1])).item() == 0.5


def test_the_loss_and_its_gradient_are_those_of_softmax_regression():
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    terms = CrossEntropy(model, Precision("fp32", CPU)).backward(images, labels, Step(0, 1))

    logits = [
        [
            sum(w * x for w, x in zip(row, image, strict=True)) + b
            for row, b in zip(model.weight.tolist(), model.bias.tolist(), strict=True)
        ]
        for image in images.tolist()
    ]
    normalisers = [sum(math.exp(value) for value in row) for row in logits]
    losses = [math.log(z) - row[label] for z, row, label in zip(normalisers, logits, labels.tolist(), strict=True)]
    error = torch.tensor([[math.exp(v) / z for v in row] for row, z in zip(logits, normalisers, strict=True)])
    error -= nn.functional.one_hot(labels, 4)
    torch.testing.assert_close(terms["loss"], torch.tensor(sum(losses) / 5))
    torch.testing.assert_close(model.weight.grad, error.T @ images / 5)
    torch.testing.assert_close(model.bias.grad, error.mean(0))
    correct = sum(row.index(max(row)) == label for row, label in zip(logits, labels.tolist(), strict=True))
    assert math.isclose(terms["accuracy"], correct / 5, rel_tol=1e-6)


def test_gradients_are_added_to_those_that_are_there():
    model = nn.Linear(3, 4)
    objective = CrossEntropy(model, Precision("fp32", CPU))
    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    objective.backward(images, labels, Step(0, 1))
    assert model.weight.grad is not None
    once = model.weight.grad.clone()
    objective.backward(images, labels, Step(0, 1))
    torch.testing.assert_close(model.weight.grad, 2 * once)


def test_terms_are_scalars_without_a_graph():
    terms = CrossEntropy(nn.Linear(3, 4), Precision("fp32", CPU)).backward(
        torch.randn(2, 3), torch.tensor([0, 1]), Step(0, 1)
    )
    assert all(term.shape == () and not term.requires_grad for term in terms.values())
