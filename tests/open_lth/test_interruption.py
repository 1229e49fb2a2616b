"""Ctrl-C, kills, and two processes on one run: nothing is lost, and the bits are those of an unbroken run."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

import cli
from tests.open_lth.running import BAYESIAN, LENET, Trunk, Workplace, results

PROJECT = Path(__file__).parent.parent.parent
PATIENCE = 120.0
LONG = {
    "deterministic": ("--training_steps=60ep",),
    "bayesian": (*BAYESIAN, "--training_steps=30ep", "--bayesian_estimator=weights"),
}

# Processes are forked from one that has imported everything and computed nothing.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["cli", "open_lth.commands.lottery", "open_lth.commands.lottery_branch", "bayesian"])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The results of long lotteries that nothing interrupted."""
    known: dict[str, dict[str, bytes]] = {}

    def find(kind: str) -> dict[str, bytes]:
        if kind not in known:
            place = tmp_path_factory.mktemp("unbroken")
            trunk = Trunk(Workplace(place / "results", place / "data"), (*LENET, *LONG[kind]))
            trunk.find_tickets(levels=1)
            known[kind] = results(trunk.directory)
        return known[kind]

    return find


@pytest.fixture
def trunk(workplace, kind) -> Trunk:
    """A long lottery that has not begun."""
    return Trunk(workplace, (*LENET, *LONG[kind]))


def command(trunk: Trunk) -> list[str]:
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}")
    return ["lottery", "--levels=1", "--quiet", *trunk.words, *places]


@contextmanager
def at_work(trunk: Trunk) -> Iterator[BaseProcess]:
    """Run the lottery in a process of its own inside the block."""
    process = _CONTEXT.Process(target=cli.main, args=(command(trunk),))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait_for(path: Path, is_alive) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert is_alive(), f"the process ended before it wrote {path}"
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.002)


@pytest.mark.parametrize(("moment", "level"), [(0, 0), (1, 1), (2, 1)])
def test_a_kill_in_the_middle_of_a_level_costs_at_most_an_epoch_and_no_bit(trunk, kind, unbroken, moment, level):
    with at_work(trunk) as process:
        wait_for(trunk.level(level) / "checkpoint.pth", process.is_alive)
        time.sleep(random.Random(f"{kind} {moment}").uniform(0.0, 0.15))
        assert process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert not (trunk.level(1) / "logger").exists()
    done_before = results(trunk.directory)
    trunk.find_tickets(levels=1)
    assert results(trunk.directory) == unbroken(kind)
    assert done_before.items() <= unbroken(kind).items()


def test_a_lottery_killed_again_and_again_still_ends_in_the_same_bits(trunk, kind, unbroken):
    moments = random.Random(kind)
    for _ in range(3):
        with at_work(trunk) as process:
            wait_for(trunk.level(0) / "checkpoint.pth", process.is_alive)
            time.sleep(moments.uniform(0.0, 0.1))
            process.kill()
            process.join()
    trunk.find_tickets(levels=1)
    assert results(trunk.directory) == unbroken(kind)


def test_a_resumed_level_does_not_begin_again(trunk, monkeypatch):
    with at_work(trunk) as process:
        wait_for(trunk.level(1) / "checkpoint.pth", process.is_alive)
        process.kill()
        process.join()
    before = (trunk.level(0) / "logger").stat().st_mtime_ns
    (trunk.level(0) / "checkpoint.pth").unlink(missing_ok=True)
    trunk.find_tickets(levels=1)
    assert (trunk.level(0) / "logger").stat().st_mtime_ns == before
    assert not (trunk.level(0) / "checkpoint.pth").exists()


def test_ctrl_c_stops_with_a_checkpoint_and_says_how_to_go_on(trunk, kind, unbroken):
    words = [sys.executable, str(PROJECT / "open_lth.py"), *command(trunk)]
    process = subprocess.Popen(words, cwd=trunk.workplace.root.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)  # fmt: skip
    wait_for(trunk.level(1) / "checkpoint.pth", lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    stopped, how = err.splitlines()
    assert re.fullmatch(rf"stopped in .*level_1.main at \d+ep\d+it; everything up to there is saved", stopped)
    assert how.startswith("to go on: python open_lth.py ")
    program, script, *rest = shlex.split(how.removeprefix("to go on: "))
    assert (program, script, rest) == ("python", "open_lth.py", command(trunk))
    assert not (trunk.level(1) / "logger").exists()
    assert cli.main(rest) == 0
    assert results(trunk.directory) == unbroken(kind)


def test_a_second_process_on_a_run_is_told_who_holds_it_and_disturbs_nothing(trunk, kind, unbroken):
    with at_work(trunk) as process:
        wait_for(trunk.level(0) / "checkpoint.pth", process.is_alive)
        message = trunk.workplace.refused(*command(trunk))
        assert process.is_alive()
        process.join()
        assert process.exitcode == 0
    assert re.search(rf"in use by process {process.pid} on \S+ since [-:T0-9+]+; wait for it or stop it", message)
    assert str(trunk.directory) in message
    assert results(trunk.directory) == unbroken(kind)


def test_other_replicates_and_branches_are_not_locked(trunk, finished, trunk_of):
    """One lock for each replicate of an experiment, and one for each branch."""
    with at_work(trunk) as process:
        wait_for(trunk.level(1) / "mask.pth", process.is_alive)
        other = Trunk(trunk.workplace, (*trunk.words, "--replicate=2", "--training_steps=1ep"))
        other.find_tickets(levels=0)
        branch = trunk.workplace.run("lottery_branch", "reinit", "--levels=0", "--quiet", *trunk.words)
        assert (branch.code, branch.err) == (0, "")


def test_a_lock_whose_holder_was_killed_is_free(trunk):
    with at_work(trunk) as process:
        wait_for(trunk.level(0) / "checkpoint.pth", process.is_alive)
        process.kill()
        process.join()
    holder = json.loads((trunk.directory / ".lock_holder.json").read_text())
    assert holder["pid"] == process.pid
    trunk.find_tickets(levels=1)
    assert not (trunk.directory / ".lock_holder.json").exists()
