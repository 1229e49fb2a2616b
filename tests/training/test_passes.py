"""Passes that are captured once and replayed in later predictions, of the same network alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.training.operation_graph import OperationGraph
from training.graphs import REHEARSALS, Graphs
from training.passes import Passes

IMAGES = torch.tensor([[1.0], [2.0]])
TIMES = REHEARSALS + 3


class Asked:
    """Asks for a pass through a network again and again, as predictions do, and counts what the host does for it."""

    def __init__(self, graphs: Graphs | None = None) -> None:
        self.passes, self.by_host = Passes(graphs), 0

    def predict(self, model: nn.Module) -> torch.Tensor:
        @torch.no_grad()
        def work() -> torch.Tensor:
            self.by_host += 1
            return model(IMAGES)

        return self.passes.repeated("one", model, work)().clone()


@pytest.fixture
def asked() -> Asked:
    return Asked(Graphs("passes", OperationGraph))


def network(weight: float = 1.0) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 1, bias=False)).requires_grad_(False).apply(lambda m: fill(m, weight))


def fill(model: nn.Module, weight: float) -> None:
    for parameter in model.parameters():
        parameter.fill_(weight)


def test_later_predictions_replay_a_pass_and_see_the_weights_of_their_time(asked):
    model = network()
    for number in range(TIMES):
        fill(model, float(number))
        assert asked.predict(model).flatten().tolist() == [number, 2 * number]
    assert asked.by_host == REHEARSALS + 1


def test_without_graphs_every_pass_is_done():
    asked, model = Asked(), network()
    for _ in range(TIMES):
        asked.predict(model)
    assert asked.by_host == TIMES


def test_weights_that_lie_elsewhere_are_another_networks(asked):
    model = network()
    for _ in range(TIMES):
        asked.predict(model)
    model[0].weight.data = torch.full((1, 1), 7.0)  # as vector_to_parameters does
    assert asked.predict(model).flatten().tolist() == [7.0, 14.0]


def test_a_part_in_training_mode_makes_another_pass(asked):
    model = nn.Sequential(network(), nn.Dropout(1.0)).eval()
    for _ in range(TIMES):
        asked.predict(model)
    model[1].train()
    assert asked.predict(model).flatten().tolist() == [0.0, 0.0]


def test_a_purpose_has_one_generator_which_captured_passes_know(asked):
    generator = asked.passes.generator("samples", torch.device("cpu"))
    assert asked.passes.generator("samples", torch.device("cpu")) is generator
    drawn = asked.passes.repeated("drawn", network(), lambda: torch.randn(2, generator=generator))
    for seed in range(TIMES):
        generator.manual_seed(seed)
        assert drawn().equal(torch.randn(2, generator=torch.Generator().manual_seed(seed)))
