"""A command whose work is done changes no byte and no file, and returns at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from datasets.sources.digits import Digits
from tests.open_lth.running import KINDS, LENET, RETRAINING, Workplace
from training import VARIANTS

LEVELS = "--levels=1"
BRANCH = ("lottery_branch",)
JOBS = "--jobs=2"
COMMANDS = {
    "train": ("train",),
    "lottery": ("lottery", LEVELS),
    "lottery --lrr": ("lottery", LEVELS, "--lrr"),
    "shuffle": (*BRANCH, "shuffle", LEVELS, "--seed=0"),
    "reinit": (*BRANCH, "reinit", LEVELS),
    "retrain": (*BRANCH, "retrain", LEVELS, *RETRAINING),
    "transplant": (*BRANCH, "transplant", LEVELS, "--bayesian_samples=2"),
    "several levels at a time": (*BRANCH, "reinit", "--levels=0-1", JOBS),
    "evaluate train": ("evaluate", "train"),
    "evaluate lottery": ("evaluate", "lottery", LEVELS, "--passes=2"),
    "evaluate lottery_branch": ("evaluate", *BRANCH, "reinit", LEVELS),
}
SECONDS = 2.0


def state(root: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Return every file and directory with its times and content."""
    found = {path: path.stat() for path in (root, *root.rglob("*"))}
    return {
        path: (stat.st_mtime_ns, stat.st_ctime_ns, path.read_bytes() if path.is_file() else b"")
        for path, stat in found.items()
    }


def words_of(command: str, kind: str) -> tuple[str, ...]:
    return (*COMMANDS[command], *LENET, *(() if command == "transplant" else KINDS[kind]), "--quiet")


@pytest.fixture(scope="module", params=KINDS)
def done(request, tmp_path_factory) -> tuple[str, Workplace]:
    """A root in which every command has been run."""
    place = tmp_path_factory.mktemp("done")
    workplace = Workplace(place / "results", place / "data")
    if request.param != "deterministic":
        workplace.done("lottery", LEVELS, *LENET, "--quiet")  # what is transplanted
    for command in COMMANDS:
        workplace.done(*(word for word in words_of(command, request.param) if word != JOBS))  # processes take long
    return request.param, workplace


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_whose_work_is_done_leaves_everything_as_it_is(done, monkeypatch, tally, command):
    kind, workplace = done

    def needless(*_: object, **__: object) -> None:
        pytest.fail("loaded data or built a network")

    for _, variant in VARIANTS.items():
        monkeypatch.setattr(variant, "build", needless)
    monkeypatch.setattr(Digits, "load", needless)
    monkeypatch.setattr(os, "fsync", needless)

    before = state(workplace.root)
    began = time.process_time()
    workplace.done(*words_of(command, kind))
    seconds = time.process_time() - began
    changed = state(workplace.root).items() ^ before.items()
    tally(1, len({path for path, _ in changed}), f"started again when done, {kind}: {command}")
    assert not changed
    assert seconds < SECONDS
