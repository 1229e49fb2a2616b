"""Ctrl-C, kills, and two processes on one run: nothing is lost, and the bits are those of an unbroken run."""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import cli
from tests.open_lth.processes import run_and_be_signalled, run_and_pause
from tests.open_lth.running import KINDS, LENET, Trunk, results

PROJECT = Path(__file__).parent.parent.parent.parent
PATIENCE = 120.0
IN_LEVEL_0, IN_LEVEL_1, LAST = 40, 95, 120
"""Moments, in training steps and files written; a lottery of two levels of two epochs has more than the last."""

# Processes are forked from one that has imported everything and computed nothing.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tests.open_lth.processes",
        "open_lth.commands.lottery_branch",
        "bayesian.strategies",
        "sklearn.datasets",
        "torch._dynamo",
        "torch_blue.vi",
    ]
)


@pytest.fixture
def trunk(workplace, kind) -> Trunk:
    """A lottery that has not begun."""
    return Trunk(workplace, (*LENET, *KINDS[kind]))


@pytest.fixture
def unbroken(finished, kind) -> dict[str, bytes]:
    """What the lottery leaves in levels 0 and 1 if nothing interrupts it."""
    everything = results(finished(*KINDS[kind]).directory)
    return {path: content for path, content in everything.items() if not path.startswith("level_2")}


def command(trunk: Trunk) -> list[str]:
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}")
    return ["lottery", "--levels=1", "--quiet", *trunk.words, *places]


def signalled(trunk: Trunk, moment: int, number: int) -> int | None:
    """Run the lottery in a process that gets a signal at a moment, and return its exit code."""
    process = _CONTEXT.Process(target=run_and_be_signalled, args=(command(trunk), moment, number))
    process.start()
    process.join(PATIENCE)
    return process.exitcode


@contextmanager
def paused(trunk: Trunk, moment: int) -> Iterator[int]:
    """Have the lottery wait at a moment inside the block, and finish afterwards; gives the process's number."""
    reached, go_on = _CONTEXT.Event(), _CONTEXT.Event()
    process = _CONTEXT.Process(target=run_and_pause, args=(command(trunk), moment, reached, go_on))
    process.start()
    try:
        assert reached.wait(PATIENCE)
        assert process.pid is not None
        yield process.pid
        go_on.set()
        process.join(PATIENCE)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("moment", sorted(random.Random(0).sample(range(5, LAST), 3)))
def test_a_kill_in_the_middle_of_a_level_costs_no_bit(trunk, unbroken, moment):
    assert signalled(trunk, moment, signal.SIGKILL) == -signal.SIGKILL
    assert not (trunk.level(1) / "logger").exists()
    assert results(trunk.directory).items() <= unbroken.items()
    trunk.find_tickets(levels=1)
    assert results(trunk.directory) == unbroken


def test_a_lottery_killed_again_and_again_ends_in_the_same_bits(trunk, unbroken):
    moments = random.Random(1)
    for _ in range(4):
        assert signalled(trunk, moments.randrange(12, 38), signal.SIGKILL) == -signal.SIGKILL
    trunk.find_tickets(levels=1)
    assert results(trunk.directory) == unbroken


def test_what_was_done_before_a_kill_is_not_done_again(trunk):
    assert signalled(trunk, IN_LEVEL_1, signal.SIGKILL) == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in trunk.level(0).iterdir() if path.suffix != ".tmp"}
    assert trunk.level(0) / "logger" in before
    trunk.find_tickets(levels=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_killed_branch_ends_in_the_same_bits(trunk_of, finished, kind):
    original = finished(*KINDS[kind])
    trunk = trunk_of(*KINDS[kind])
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}")
    words = ["lottery_branch", "shuffle", "--seed=0", "--strategy=identity", "--levels=1", "--quiet", *trunk.words]
    process = _CONTEXT.Process(target=run_and_be_signalled, args=([*words, *places], 20, signal.SIGKILL))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    branch = trunk.branch("shuffle", "--seed=0", "--strategy=identity")
    assert results(branch) == results(original.level(1))


@pytest.mark.parametrize("moment", [IN_LEVEL_0, IN_LEVEL_1, 2], ids=["level 0", "level 1", "before training"])
def test_ctrl_c_at_any_moment_is_exit_code_130_and_costs_no_bit(trunk, unbroken, moment):
    assert signalled(trunk, moment, signal.SIGINT) == 130
    assert not (trunk.level(1) / "logger").exists()
    trunk.find_tickets(levels=1)
    assert results(trunk.directory) == unbroken


@pytest.mark.slow
def test_ctrl_c_on_the_script_stops_with_a_checkpoint_and_says_how_to_go_on(workplace):
    trunk = Trunk(workplace, (*LENET, "--training_steps=20ep"))
    script = [sys.executable, str(PROJECT / "open_lth.py"), *command(trunk)]
    process = subprocess.Popen(script, cwd=PROJECT.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not (trunk.level(0) / "checkpoint.pth").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    stopped, how = err.splitlines()
    place = re.escape(str(trunk.directory)) + r"/level_[01]/main"
    assert re.fullmatch(rf"stopped by SIGINT in {place} at \d+ep\d+it; everything up to there is saved", stopped)
    assert how.startswith("to go on: python open_lth.py lottery ")
    words = shlex.split(how.removeprefix("to go on: python open_lth.py "))
    assert words == command(trunk)
    assert cli.main(words) == 0
    broken = results(trunk.directory)
    again = Trunk(type(workplace)(workplace.root.parent / "again", workplace.dataset_root), trunk.words)
    again.find_tickets(levels=1)
    assert broken == results(again.directory)


def test_a_second_process_on_a_run_is_told_who_holds_it_and_disturbs_nothing(trunk, unbroken):
    with paused(trunk, IN_LEVEL_0) as holder:
        message = trunk.workplace.refused(*command(trunk))
    assert f"{trunk.directory}: in use by process {holder} on " in message
    assert re.search(r" since \d{4}-\d\d-\d\dT[:+\d]+; wait for it or stop it$", message)
    assert results(trunk.directory) == unbroken


def test_a_refused_second_process_removes_nothing_of_the_first_ones(trunk):
    with paused(trunk, 3):  # before anything that looks like a result
        before = sorted(trunk.workplace.root.rglob("*"))
        trunk.workplace.refused(*command(trunk))
        assert sorted(trunk.workplace.root.rglob("*")) == before


def test_other_replicates_and_branches_are_not_locked(trunk):
    with paused(trunk, IN_LEVEL_1):
        Trunk(trunk.workplace, (*trunk.words, "--replicate=2")).find_tickets(levels=0)
        trunk.branch("reinit", levels="0")


def test_a_lock_whose_holder_was_killed_is_free(trunk):
    assert signalled(trunk, IN_LEVEL_0, signal.SIGKILL) == -signal.SIGKILL
    assert json.loads((trunk.directory / ".lock_holder.json").read_text())["pid"] > 0
    trunk.find_tickets(levels=1)
    assert not (trunk.directory / ".lock_holder.json").exists()
