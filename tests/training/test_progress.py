from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from foundations.step import Step
from tests.terminal import Terminal
from training.progress import Progress
from training.reports import Report

VALUES = {"loss": 1.23456, "accuracy": 0.5, "examples": 360.0}


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def use(quiet: bool, report_to: int | None = None) -> Progress:
    progress = Progress("level_2/main", Step(20, 10), quiet, report_to)
    for iteration in range(0, 21, 5):
        progress.at(Step(iteration, 10))
        progress.show({"loss": 0.5})
    progress.evaluation("test", Step(20, 10), VALUES)
    progress.close()
    return progress


def test_nothing_is_printed_when_quiet(capfd):
    assert not use(quiet=True).is_shown
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed_when_quiet_even_on_a_terminal(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    use(quiet=True)
    assert terminal.text() == ""
    assert capsys.readouterr().out == ""


def test_away_from_a_terminal_there_is_one_line_an_evaluation_and_no_bar(capfd):
    use(quiet=False)
    out, err = capfd.readouterr()
    [line] = out.splitlines()
    assert line.startswith("level_2/main  test  ep 2   it 0    loss 1.2346  accuracy  50.00 %  examples 360  ")
    assert line.endswith(" s")
    assert err == ""


def test_on_a_terminal_there_is_a_bar_with_epochs_and_averages_that_goes_away(terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    progress = Progress("level_2/main", Step(20, 10), quiet=False)
    assert progress.is_shown
    progress.at(Step(15, 10))
    progress.show({"loss": 0.5})
    progress._bar.refresh()
    shown = terminal.text()
    assert "level_2/main epoch 2/2" in shown
    assert "15/20" in shown
    assert "loss=0.500" in shown
    progress.at(Step(20, 10))
    progress.close()
    assert "epoch 3/2" not in terminal.text()
    assert capsys.readouterr().out == ""


def received(end: int) -> list[Report]:
    return [Report.parse(line) for line in os.read(end, 100_000).splitlines()]


@pytest.mark.parametrize("quiet", [False, True])
def test_what_another_process_shows_is_reported_and_not_printed(quiet, terminal, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    end, descriptor = os.pipe()
    assert not use(quiet, descriptor).is_shown
    os.close(descriptor)
    assert terminal.text() == ""
    assert capfd.readouterr() == ("", "")
    first, evaluated, last = received(end)
    os.close(end)
    assert first == Report("level_2/main", 0, 20)
    assert evaluated.done == 20
    assert evaluated.text.startswith("test  ep 2   it 0    loss 1.2346  accuracy  50.00 %  examples 360  ")
    assert last == Report("level_2/main", 20, 20)


def test_a_training_run_reports_each_evaluation_and_its_end(runs, tmp_path, capfd):
    end, descriptor = os.pipe()
    runs.train(runs.make(tmp_path / "reported", quiet=False, report_to=descriptor))
    os.close(descriptor)
    reports = received(end)
    os.close(end)
    assert {(report.run, report.total) for report in reports} == {("level_0/main", 9)}
    assert [report.done for report in reports if report.text] == [0, 4, 8, 9]
    assert reports[-1].done == 9
    assert capfd.readouterr() == ("", "")


def test_a_training_run_prints_a_line_for_each_evaluation(runs, tmp_path, capfd):
    runs.train(runs.make(tmp_path / "loud", quiet=False))
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("loss")[0].split() for line in lines] == [
        ["level_0/main", "test", "ep", ep, "it", it] for ep, it in (("0", "0"), ("1", "0"), ("2", "0"), ("2", "1"))
    ]
    runs.train(runs.make(tmp_path / "quiet"))
    assert capfd.readouterr() == ("", "")
