from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from training.reports import Report, Reporter


class Pipe:
    """A pipe, and the reports that have arrived at its end."""

    def __init__(self) -> None:
        self.end, self.descriptor = os.pipe()

    def reports(self) -> list[Report]:
        os.set_blocking(self.end, False)
        return [Report.parse(line) for line in os.read(self.end, 100_000).splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.descriptor)
    os.close(made.end)


@pytest.fixture
def clock(monkeypatch) -> Iterator[list[float]]:
    """The time that reporters see, in seconds."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_report_is_one_short_line_of_json_and_comes_back_as_it_was():
    report = Report("level_2/main", done=30, total=400, text='loss "nan"\nσ')
    line = report.line()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line) == {"run": "level_2/main", "done": 30, "total": 400, "text": 'loss "nan"\nσ'}
    assert Report.parse(line) == report


def test_steps_are_reported_four_times_a_second_at_most_and_the_last_one_in_any_case(pipe, clock):
    reporter = Reporter(pipe.descriptor, "main", 100)
    for iteration in range(1, 101):
        reporter.at(iteration)
        clock[0] += 0.125
    assert [report.done for report in pipe.reports()] == list(range(1, 101, 2))
    reporter.close()
    assert pipe.reports() == [Report("main", 100, 100)]


def test_a_line_for_the_reader_is_reported_at_once(pipe, clock):
    reporter = Reporter(pipe.descriptor, "main", 100)
    reporter.at(7)
    reporter.say("accuracy 50 %")
    reporter.say("accuracy 60 %")
    assert [(report.done, report.text) for report in pipe.reports()] == [
        (7, ""),
        (7, "accuracy 50 %"),
        (7, "accuracy 60 %"),
    ]


def test_without_anyone_at_the_other_end_the_process_is_asked_to_stop(clock):
    end, descriptor = os.pipe()
    os.close(end)
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        Reporter(descriptor, "main", 100).at(1)
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(descriptor)
    assert received == [signal.SIGTERM]
