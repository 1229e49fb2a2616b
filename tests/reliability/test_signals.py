"""What a batch system sends before it kills: the command saves, says how to go on, and goes on to the same bits."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.open_lth.running import KINDS, LENET
from tests.reliability.processes import Command, Ended, killed_after, patience
from tests.reliability.sessions import Session

PROJECT = Path(__file__).parents[2]
START_AGAIN = 75
NUMBERS = (signal.SIGTERM, signal.SIGUSR1)


def complaint(ended: Ended, number: int) -> str:
    """Return what is wrong with how a command ended after a signal."""
    name = signal.Signals(number).name
    stopped = rf"stopped by {name}( in \S+ at \d+ep\d+it; everything up to there is saved|; what was finished.*)"
    said = re.fullmatch(rf"{stopped}\nto go on: python open_lth.py \S.*\n", ended.err)
    return "" if ended.code == START_AGAIN and said else f"{name}: {ended}"


@pytest.mark.parametrize("kind", KINDS)
def test_commands_stopped_at_random_moments_say_so_and_end_in_the_same_bits(kind, tmp_path, tries, tally):
    whole = Session(kind, tmp_path / "whole")
    seconds = whole.run()
    moments, stops, lost, wanted = random.Random(f"signal {kind}"), 0, [], tries(4, 100)
    while stops < wanted:
        session = Session(kind, tmp_path / f"after_{stops}_stops")
        for words, duration in zip(session.commands(), seconds, strict=True):
            for latest in patience(max(duration, 0.2)):
                number = moments.choice(NUMBERS)
                ended = killed_after(words, session.place, moments.uniform(0.1, latest), number)
                if ended.code == 0:
                    break
                if ended == Ended(-number, "", ""):  # on a busy machine it had not even begun
                    continue
                stops += 1
                lost += [*filter(None, [complaint(ended, number)]), *session.unreadable()]
                lost += map(str, session.leftovers())
        if session.results() != whole.results():
            lost.append(f"other results after {stops} stops")
    tally(stops, len(lost), f"SIGTERM or SIGUSR1 at a random moment, {kind}")
    assert not lost


def test_the_script_can_be_stopped_while_it_still_starts(tmp_path, tries, tally):
    moments, begun, wanted, lost = random.Random("start"), 0, tries(1, 50), []
    while begun < wanted:
        words = [
            sys.executable,
            str(PROJECT / "open_lth.py"),
            "lottery",
            "--levels=1",
            *LENET,
            f"--root={tmp_path / 'results'}",
            "--quiet",
        ]
        with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as script:
            time.sleep(moments.uniform(0.5, 4.0))
            script.send_signal(signal.SIGTERM)
            out, err = script.communicate(timeout=60)
        ended = Ended(script.returncode, out, err)
        if ended == Ended(-signal.SIGTERM, "", ""):  # on a busy machine Python itself had not begun
            continue
        begun += 1
        if ended.code != 0:
            lost += filter(None, [complaint(ended, signal.SIGTERM)])
    tally(begun, len(lost), "SIGTERM while the script starts")
    assert not lost


def wait_for(path: Path, command: Command) -> None:
    while not path.exists():
        assert command.is_alive, command.wait()
        time.sleep(0.005)


def test_a_stop_in_a_long_evaluation_is_noticed_soon(tmp_path):
    """An evaluation by ten thousand samples takes a minute."""
    words = ["train", *LENET, "--bayesian", "--bayesian_samples=10000", f"--root={tmp_path / 'results'}"]
    with Command(words, tmp_path) as command:
        place = next(iter(places(words, tmp_path)))
        wait_for(place / ".checkpoint.pth.sha256", command)
        time.sleep(0.2)
        command.signal(signal.SIGUSR1)
        asked = time.monotonic()
        ended = command.wait()
    assert time.monotonic() - asked < 10
    assert not complaint(ended, signal.SIGUSR1)
    assert f" in {place} at 0ep0it; everything up to there is saved" in ended.err


def places(words: list[str], tmp_path: Path) -> list[Path]:
    with Command([*words, "--display_output_location"], tmp_path / "asked") as command:
        return [Path(line) for line in command.wait().out.splitlines()]
