from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.randomness import RandomStreams
from foundations.step import Step
from training import Loss, TrainingCircumstances, accuracy
from training.objective import LossObjective, cross_entropy
from training.precision import Precision

CPU = torch.device("cpu")


def objective(model: nn.Module, loss: Loss = cross_entropy, precision: str = "fp32") -> LossObjective:
    return LossObjective(model, TrainingCircumstances(50, RandomStreams(1), Precision(precision, CPU), loss=loss))


def test_accuracy_is_the_fraction_of_rows_whose_greatest_entry_is_the_labels():
    scores = torch.tensor([[0.1, 0.9], [3.0, -1.0], [-2.0, -1.0], [5.0, 4.0]])
    assert accuracy(scores, torch.tensor([1, 0, 0, 1])).item() == 0.5


def test_the_loss_and_its_gradient_are_those_of_softmax_regression():
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    terms = objective(model).backward(images, labels, Step(0, 1))

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
    twice = objective(model)
    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    twice.backward(images, labels, Step(0, 1))
    assert model.weight.grad is not None
    once = model.weight.grad.clone()
    twice.backward(images, labels, Step(0, 1))
    torch.testing.assert_close(model.weight.grad, 2 * once)


def test_terms_are_scalars_without_a_graph():
    terms = objective(nn.Linear(3, 4)).backward(torch.randn(2, 3), torch.tensor([0, 1]), Step(0, 1))
    assert all(term.shape == () and not term.requires_grad for term in terms.values())


def test_a_loss_of_ones_own_is_differentiated_and_its_first_pass_tells_the_accuracy():
    """Of the mean squared error with a ridge penalty, the gradient is 2 (x (W x - y)^T / n + W)."""

    def ridge(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        error = model(images) - F.one_hot(labels, 4)
        model(torch.zeros_like(images))
        return error.square().sum(dim=1).mean() + model.weight.square().sum()

    model = nn.Linear(3, 4, bias=False)
    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    terms = objective(model, ridge).backward(images, labels, Step(0, 1))
    with torch.no_grad():
        error = images @ model.weight.T - F.one_hot(labels, 4)
        torch.testing.assert_close(terms["loss"], error.square().sum() / 5 + model.weight.square().sum())
        torch.testing.assert_close(model.weight.grad, 2 * (error.T @ images / 5 + model.weight))
        assert terms["accuracy"] == accuracy(images @ model.weight.T, labels)


def test_a_loss_sees_the_network_under_its_own_names_and_in_its_own_mode():
    seen = []

    def curious(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        seen.append(([name for name, _ in model.named_parameters()], model.training, model.fc.out_features))
        return F.cross_entropy(model(images), labels)

    model = nn.Sequential(OrderedDict(fc=nn.Linear(3, 4)))
    objective(model, curious).backward(torch.randn(2, 3), torch.tensor([0, 1]), Step(0, 1))
    assert seen == [(["fc.weight", "fc.bias"], True, 4)]


def test_a_loss_is_computed_in_the_runs_precision_and_its_gradient_scaled_for_it():
    dtypes = []

    def noted(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        logits = model(images)
        dtypes.append(logits.dtype)
        return F.cross_entropy(logits, labels)

    images, labels = torch.randn(5, 3), torch.tensor([0, 3, 1, 1, 2])
    scaled, plain = nn.Linear(3, 4), nn.Linear(3, 4)
    plain.load_state_dict(scaled.state_dict())
    objective(scaled, noted, "fp16").backward(images, labels, Step(0, 1))
    objective(plain, noted).backward(images, labels, Step(0, 1))
    assert dtypes == [torch.float16, torch.float32]
    torch.testing.assert_close(scaled.weight.grad, 65536 * plain.weight.grad, rtol=0.02, atol=65536 * 1e-3)
