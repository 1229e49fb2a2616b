"""`lottery_branch --jobs`: several levels at a time, to the same bits as one after another."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from open_lth.commands.lottery_branch import command_of_level
from tests.open_lth.running import RETRAINING, Trunk, Workplace, results

SHUFFLE = ("shuffle", "--seed=1", "--strategy=identity", "--threads=1")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def again(tmp_path: Path) -> Callable[[Trunk], Trunk]:
    """Return a second copy of a trunk."""

    def copy(trunk: Trunk) -> Trunk:
        shutil.copytree(trunk.workplace.root, tmp_path / "again")
        return Trunk(Workplace(tmp_path / "again", trunk.workplace.dataset_root), trunk.words)

    return copy


@pytest.mark.slow
def test_levels_side_by_side_end_in_the_same_bits_as_one_after_another(trunk, again):
    other = again(trunk)
    command = ("lottery_branch", "shuffle", "--seed=1", "--levels=0-2", "--threads=1", *trunk.words)
    trunk.workplace.done(*command, "--quiet")
    out = other.workplace.done(*command, "--jobs=2").out
    directories = list(other.directory.glob("level_*/lottery_branch_*"))
    assert len(directories) == 3
    assert results(other.directory) == results(trunk.directory)

    header, _, lines = out.partition("=\n\n")
    assert header.count("Lottery Ticket Experiment (Replicate 1)\n") == 1
    assert "Levels: 0-2, 2 at a time; threads of each: 1\n" in header
    assert f"Output Location: {other.directory}\n" in header
    for directory in directories:
        label = f"{directory.parent.name}/shuffle"
        said = [line.split("  ")[1] for line in lines.splitlines() if line.startswith(f"{label}  ")]
        assert said[:3] == ["test"] * 3 and said[3].startswith("done (")
        kept = json.loads((directory / "command.json").read_text())
        assert kept["command"][-1] == f"--levels={directory.parent.name.removeprefix('level_')}"
        assert kept["threads"] == 1


def test_a_level_that_fails_is_told_with_its_command(trunk_of):
    trunk = trunk_of()
    trunk.branch(*SHUFFLE, levels="0")
    (trunk.level(2) / "model_ep0_it0.pth").unlink()
    outcome = trunk.workplace.run("lottery_branch", *SHUFFLE, "--levels=0,2", "--jobs=2", *trunk.words)
    assert outcome.code == 2
    assert outcome.out.endswith("=\n\n1 of 2 are done already\n")
    failed, error, reason, how = outcome.err.splitlines()
    assert failed.startswith("level_2/shuffle  failed: level 2 of lottery_")
    assert error == "error: 1 of 2 failed, the others are done"
    assert reason == failed.replace("  failed", "")
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}")
    command = ("lottery_branch", *SHUFFLE, *trunk.words, *places, "--levels=2")
    assert how == f"    to repeat: {shlex.join(('python', 'open_lth.py', *command))}"


@pytest.mark.slow
def test_a_stopped_command_goes_on_to_the_same_bits(trunk_of, again):
    trunk = trunk_of()
    other = again(trunk)
    retrain = ("retrain", *RETRAINING, "--retrain_t_training_steps=80ep", "--threads=1")
    is_over = threading.Event()

    def stop() -> None:
        while not list(directory.glob("level_*/lottery_branch_*/checkpoint.pth")):
            if is_over.wait(0.005):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    directory = trunk.directory
    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    outcome = trunk.workplace.run("lottery_branch", *retrain, "--levels=1-2", "--jobs=2", "--quiet", *trunk.words)
    is_over.set()
    thread.join()
    assert outcome.code == 75
    stopped, how = outcome.err.splitlines()
    assert stopped == "stopped by SIGTERM in 2 jobs, of which 0 are done; everything up to there is saved"
    assert how.startswith("to go on: python open_lth.py lottery_branch retrain ") and " --jobs=2 " in how
    assert not list(trunk.directory.glob("level_*/lottery_branch_*/logger"))
    for each in (trunk, other):
        each.branch(*retrain, levels="1-2")
    assert results(trunk.directory) == results(other.directory)


def test_what_is_done_already_needs_no_process(trunk_of, monkeypatch):
    trunk = trunk_of()
    trunk.branch(*SHUFFLE, levels="0-1")
    monkeypatch.setattr("open_lth.jobs.process.subprocess", None)
    trunk.branch(*SHUFFLE, "--jobs=2", levels="0-1")


def test_one_job_is_this_very_process(trunk_of, monkeypatch):
    monkeypatch.setattr("open_lth.jobs.process.subprocess", None)
    trunk_of().branch(*SHUFFLE, "--jobs=1", levels="0-1")


def test_no_level_is_begun_if_one_is_not_there(trunk_of):
    trunk = trunk_of()
    before = trunk.workplace.files()
    message = trunk.workplace.refused("lottery_branch", *SHUFFLE, "--levels=1-3", "--jobs=2", *trunk.words)
    assert "level 3" in message and "--levels=3 first" in message
    assert trunk.workplace.files() == before


def test_a_dry_look_at_the_places_starts_nothing(trunk_of, monkeypatch):
    trunk = trunk_of()
    monkeypatch.setattr("open_lth.jobs.process.subprocess", None)
    words = ("lottery_branch", *SHUFFLE, "--levels=0-1", "--display_output_location", *trunk.words)
    assert trunk.workplace.done(*words, "--jobs=2").out == trunk.workplace.done(*words).out


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_jobs_is_refused(workplace, value):
    message = workplace.refused("lottery_branch", "reinit", "--levels=1", f"--jobs={value}")
    assert message == f"error: --jobs={value}: must be a whole number of at least 1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lottery_branch reinit --levels=0-2 --jobs=4 --lr=1", "lottery_branch reinit --lr=1 --levels=7"),
        ("lottery_branch reinit --jobs 4 --levels 0-2 --lr 1", "lottery_branch reinit --lr 1 --levels=7"),
        ("lottery_branch reinit --lr=1 --levels 3", "lottery_branch reinit --lr=1 --levels=7"),
        ("lottery_branch reinit --levels=1 --levels=2 --jobs=3", "lottery_branch reinit --levels=7"),
    ],
)
def test_a_levels_own_command_is_the_same_but_for_its_level(words, expected):
    assert command_of_level(words.split(), 7) == tuple(expected.split())
