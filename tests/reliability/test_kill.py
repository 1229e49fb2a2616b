"""SIGKILL at any moment, and the same commands again until they are done: no bit is lost, no file ever unreadable."""

from __future__ import annotations

import random
import shutil
import signal

import pytest

from tests.open_lth.running import KINDS
from tests.reliability.processes import killed_after, patience
from tests.reliability.sessions import Session


@pytest.mark.parametrize("kind", KINDS)
def test_commands_killed_at_random_moments_end_in_the_same_bits(kind, tmp_path, tries, tally):
    whole = Session(kind, tmp_path / "whole")
    seconds = whole.run()
    expected = whole.results()
    moments, kills, lost, wanted = random.Random(f"kill {kind}"), 0, [], tries(4, 200)
    while kills < wanted:
        session = Session(kind, tmp_path / f"after_{kills}_kills")
        for words, duration in zip(session.commands(), seconds, strict=True):
            for latest in patience(duration):
                ended = killed_after(words, session.place, moments.uniform(0, latest))
                if ended.code == 0:
                    break
                assert ended.code == -signal.SIGKILL, ended
                kills += 1
                lost += session.unreadable()
            assert ended.err == ""
        if session.results() != expected:
            lost.append(f"other results after {kills} kills")
        lost += map(str, session.leftovers())
        shutil.rmtree(session.place)
    tally(kills, len(lost), f"SIGKILL at a random moment, {kind}")
    assert not lost
