"""Work is done a few times, captured, and replayed; where that cannot be, it goes on being done, and that is said."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch

import training.graphs
from foundations.context import RunContext
from tests.training.operation_graph import OperationGraph
from training.graphs import REHEARSALS, Graphs


class Counter:
    """Work that counts on a device, and how often the host did it."""

    def __init__(self) -> None:
        self.total, self.by_host = torch.zeros(()), 0

    def __call__(self) -> torch.Tensor:
        self.by_host += 1
        self.total += 1
        return self.total * 2


def test_work_is_done_by_the_host_until_it_is_captured_and_on_the_device_always():
    counter = Counter()
    repeated = Graphs("steps", OperationGraph).repeated(counter)
    results = [repeated().item() for _ in range(REHEARSALS + 5)]
    assert results == [2.0 * number for number in range(1, REHEARSALS + 6)]
    assert counter.by_host == REHEARSALS + 1


def test_without_graphs_the_host_does_it_every_time():
    counter = Counter()
    repeated = Graphs().repeated(counter)
    assert [repeated().item() for _ in range(6)] == [2, 4, 6, 8, 10, 12]
    assert counter.by_host == 6 and not Graphs().are_made


def test_what_cannot_be_captured_goes_on_from_the_same_state_and_that_is_said_once_in_one_line(caplog):
    class Unusual(OperationGraph):
        """As on a GPU, a capture that fails has done nothing."""

        def capture(self, work):
            before = total.clone()
            try:
                return super().capture(work)
            except RuntimeError:
                total.copy_(before)
                raise

    total = torch.zeros(())

    def work() -> float:
        total.add_(1)
        return total.item()

    graphs = Graphs("steps", Unusual)
    repeated = graphs.repeated(work)
    assert [repeated() for _ in range(REHEARSALS)] == [1.0, 2.0, 3.0]
    assert repeated() == 4.0
    assert caplog.messages == [
        "steps are not captured in a CUDA graph, and so slower: "
        "aten::_local_scalar_dense while capturing: a number is read from the device"
    ]
    assert [repeated() for _ in range(3)] == [5.0, 6.0, 7.0] and len(caplog.messages) == 1
    assert not graphs.are_made


def test_what_a_failed_capture_has_used_up_is_made_ready_anew():
    class Refusing(OperationGraph):
        def capture(self, work):
            work()
            raise RuntimeError("no room")

    ready: list[int] = []
    repeated = Graphs("steps", Refusing).repeated(ready.pop, anew=lambda: ready.append(1))
    for number in range(REHEARSALS + 3):
        ready.append(number)
        assert repeated() == (1 if number == REHEARSALS else number)
    assert not ready


def test_a_capture_that_fails_ends_the_replays_of_all(caplog):
    """Since it spoils the default generator, which all graphs have in common."""
    counters = Counter(), Counter()
    passes, steps = Graphs("passes", OperationGraph), Graphs("steps", OperationGraph)
    one, other = passes.repeated(counters[0]), passes.repeated(counters[1])
    failing = steps.repeated(lambda: torch.randn(2, generator=torch.Generator()))
    for _ in range(REHEARSALS + 2):
        one(), other()
    assert counters[0].by_host == REHEARSALS + 1
    for _ in range(REHEARSALS + 1):
        failing()
    assert one().item() == other().item() == 2 * (REHEARSALS + 3)
    assert counters[0].by_host == REHEARSALS + 2
    assert not passes.are_made and not steps.are_made
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("steps are not captured")


def test_random_numbers_of_a_replay_are_those_that_its_seed_gives():
    generator = torch.Generator()
    repeated = Graphs("steps", OperationGraph).repeated(lambda: torch.randn(3, generator=generator), [generator])
    for seed in range(REHEARSALS + 3):
        generator.manual_seed(seed)
        assert repeated().equal(torch.randn(3, generator=torch.Generator().manual_seed(seed)))


def test_a_generator_that_the_graph_does_not_know_is_a_reason(caplog):
    repeated = Graphs("steps", OperationGraph).repeated(lambda: torch.randn(3, generator=torch.Generator()))
    for _ in range(REHEARSALS):
        repeated()
    repeated()
    assert "does not know the generator" in caplog.text


def context(**values):
    return RunContext(Path("unused"), Path("unused"), **values)


def test_on_the_cpu_there_are_no_graphs_and_nothing_is_said(caplog):
    assert not Graphs.of(context(), "steps", ["a reason"]).are_made
    assert not caplog.messages


def test_the_first_obstacle_is_said_unless_no_graphs_are_wanted(monkeypatch, caplog):
    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: OperationGraph)
    assert Graphs.of(context(), "steps", []).are_made
    assert not Graphs.of(context(graph="off"), "steps", ["a reason"]).are_made
    assert not caplog.messages
    assert not Graphs.of(context(), "steps", ["a reason", "another"]).are_made
    assert caplog.messages == ["steps are not captured in a CUDA graph, and so slower: a reason"]


class Cycle:
    """What only the garbage collector frees, as graphs of earlier evaluations are."""

    def __init__(self) -> None:
        self.own = self


def test_no_garbage_is_collected_amid_a_capture_but_before_it():
    before = weakref.ref(Cycle())
    with pytest.raises(RuntimeError, match="refused"), training.graphs._nothing_collected():
        assert before() is None and not gc.isenabled()
        raise RuntimeError("refused")
    assert gc.isenabled()
    gc.disable()
    try:
        with training.graphs._nothing_collected():
            pass
        assert not gc.isenabled()  # as it was
    finally:
        gc.enable()
