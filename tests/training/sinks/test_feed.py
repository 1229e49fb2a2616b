"""From the logger to the sinks: everything at its step, and whatever a sink does, the run goes on."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import pytest
import torch

from foundations.interruption import Interrupted
from foundations.paths import RunPaths
from foundations.sink import SinkKind, SinkRun
from foundations.step import Step
from training.checkpoint import TrainingState
from training.precision import Precision
from training.sinks import SinkFeed

PER_EPOCH = 4


@dataclass
class Recorder:
    """A sink that remembers what it is told, and stumbles where it should."""

    fails_at: str = ""
    error: BaseException = field(default_factory=lambda: OSError("the disk is full\nwhich is bad"))
    told: list[object] = field(default_factory=list)

    def _note(self, what: str, *details: object) -> None:
        self.told.append((what, *details))
        if what == self.fails_at:
            raise self.error

    def add(self, name: str, step: Step, value: float) -> None:
        self._note("add", name, step.iteration, value)

    def flush(self) -> None:
        self._note("flush")

    def close(self, is_done: bool) -> None:
        self._note("close", is_done)


@dataclass(frozen=True)
class Recording(SinkKind):
    description = "remember"
    package = "pytest"
    recorder: Recorder = field(default_factory=Recorder)

    def open(self, run: SinkRun) -> Recorder:
        self.recorder._note("open", run.name, run.start.iteration)
        return self.recorder


def state_at(iteration: int) -> TrainingState:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingState(model, optimizer, Precision("fp32", torch.device("cpu")), Step(iteration, PER_EPOCH))


def feed_of(tmp_path, **recorders: Recorder) -> SinkFeed:
    describe = lambda start: SinkRun(RunPaths(tmp_path), "a/b", start, {})  # noqa: E731
    return SinkFeed({flag: Recording(recorder) for flag, recorder in recorders.items()}, describe)


def test_what_the_logger_gets_is_handed_on_once_and_at_its_step(tmp_path):
    recorder, state = Recorder(), state_at(0)
    feed = feed_of(tmp_path, memory=recorder)
    feed(state)
    assert recorder.told == []
    state.logger.add("test_loss", state.step, 2.0)
    state.logger.add("test_accuracy", state.step, 0.5)
    feed(state)
    state.step = Step(1, PER_EPOCH)
    feed(state)
    state.step = Step(4, PER_EPOCH)
    state.logger.add("test_loss", state.step, 1.0)
    feed(state)
    feed.close(is_done=True)
    assert recorder.told == [
        ("open", "a/b", 0),
        ("add", "test_loss", 0, 2.0),
        ("add", "test_accuracy", 0, 0.5),
        ("flush",),
        ("add", "test_loss", 4, 1.0),
        ("flush",),
        ("close", True),
    ]


def test_a_run_that_goes_on_hands_on_what_was_measured_before(tmp_path):
    recorder, state = Recorder(), state_at(8)
    state.logger.add("test_loss", Step(0, PER_EPOCH), 2.0)
    feed = feed_of(tmp_path, memory=recorder)
    state.logger.add("test_loss", state.step, 1.0)
    feed(state)
    assert recorder.told == [("open", "a/b", 8), ("add", "test_loss", 0, 2.0), ("add", "test_loss", 8, 1.0), ("flush",)]


def test_without_sinks_nothing_is_described():
    feed, state = SinkFeed({}, lambda start: pytest.fail("asked")), state_at(0)
    state.logger.add("test_loss", state.step, 2.0)
    feed(state)
    feed.close(is_done=True)


@pytest.mark.parametrize("moment", ["open", "add", "flush", "close"])
def test_a_sink_that_fails_is_switched_off_with_one_warning_and_the_others_go_on(tmp_path, caplog, moment):
    broken, whole, state = Recorder(moment), Recorder(), state_at(0)
    feed = feed_of(tmp_path, broken=broken, whole=whole)
    for iteration in (0, 4):
        state.step = Step(iteration, PER_EPOCH)
        state.logger.add("test_loss", state.step, 2.0)
        feed(state)
    feed.close(is_done=False)
    assert caplog.messages == ["--broken is switched off for a/b, whose logger gets everything: the disk is full"]
    assert [what for what, *_ in broken.told].count(moment) == 1
    assert [what for what, *_ in whole.told] == ["open", "add", "flush", "add", "flush", "close"]


def stumbled() -> Exception:
    """What a library raises when a request to stop finds it at work."""
    error = RuntimeError("the lock was not held")
    error.__context__ = Interrupted(signal.SIGTERM, "here")
    return error


@pytest.mark.parametrize("error", [stumbled(), Interrupted(signal.SIGTERM, "here")], ids=["hidden", "plain"])
@pytest.mark.parametrize("moment", ["open", "add", "flush", "close"])
def test_a_request_to_stop_is_no_failure_of_a_sink(tmp_path, moment, error):
    state = state_at(0)
    state.logger.add("test_loss", state.step, 2.0)
    feed = feed_of(tmp_path, memory=Recorder(moment, error))
    with pytest.raises(type(error)) as raised:
        feed(state)
        feed.close(is_done=False)
    assert raised.value is error


def test_a_sink_that_fails_while_the_run_is_stopped_does_not_hide_the_request(tmp_path, caplog):
    broken, whole, state = Recorder("close"), Recorder(), state_at(0)
    state.logger.add("test_loss", state.step, 2.0)
    feed = feed_of(tmp_path, broken=broken, whole=whole)
    feed(state)
    stop = Interrupted(signal.SIGTERM, "here")
    with pytest.raises(Interrupted) as raised:
        try:
            raise stop
        finally:
            feed.close(is_done=False)
    assert raised.value is stop and len(caplog.messages) == 1
    assert whole.told[-1] == ("close", False)
