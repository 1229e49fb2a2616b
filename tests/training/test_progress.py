from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import termios
from collections.abc import Iterator

import pytest

from foundations.step import Step
from training.progress import Progress

VALUES = {"loss": 1.23456, "accuracy": 0.5, "examples": 360.0}


class Terminal:
    """A pseudo-terminal: what is written to it can be read back."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.stream = open(slave, "w", buffering=1)  # noqa: SIM115

    def text(self) -> str:
        """Return what has been written since the last call; the kernel delivers it a little later."""
        self.stream.flush()
        found = b""
        while select.select([self._master], [], [], 0.3)[0]:
            found += os.read(self._master, 100_000)
        return found.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def use(quiet: bool) -> Progress:
    progress = Progress("level_2/main", Step(20, 10), quiet)
    for iteration in range(0, 21, 5):
        progress.at(Step(iteration, 10))
        progress.show({"loss": 0.5})
    progress.evaluation("test", Step(20, 10), VALUES)
    progress.say("a word")
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
    first, second = out.splitlines()
    assert first.startswith("level_2/main  test  ep 2   it 0    loss 1.2346  accuracy  50.00 %  examples 360  ")
    assert first.endswith(" s")
    assert second == "a word"
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


def test_a_training_run_prints_a_line_for_each_evaluation(runs, tmp_path, capfd):
    runs.train(runs.make(tmp_path / "loud", quiet=False))
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("loss")[0].split() for line in lines] == [
        ["level_0/main", "test", "ep", ep, "it", it] for ep, it in (("0", "0"), ("1", "0"), ("2", "0"), ("2", "1"))
    ]
    runs.train(runs.make(tmp_path / "quiet"))
    assert capfd.readouterr() == ("", "")
