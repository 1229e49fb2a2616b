"""A process that is killed while it writes a file leaves the old version or the new one, whole."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foundations.atomic import sweep_temporaries
from foundations.checksum import listed_digests, move, remove
from foundations.lock import exclusive
from foundations.storage import save_tensors
from tests.open_lth.running import LENET
from tests.reliability.processes import in_its_own_process
from tests.reliability.writers import kill_while_saving, version, version_in

Action = Callable[[Path, Path], object]
Versions = tuple[int | None, ...]

SCENARIOS: dict[str, tuple[Action, Action, set[Versions]]] = {
    "a new file": (
        lambda path, previous: None,
        lambda path, previous: save_tensors(path, version(1)),
        {(None, None), (1, None)},
    ),
    "a file replaced": (
        lambda path, previous: save_tensors(path, version(1)),
        lambda path, previous: save_tensors(path, version(2)),
        {(1, None), (2, None)},
    ),
    "OpenLTH's file replaced": (
        lambda path, previous: torch.save(version(1), path),
        lambda path, previous: save_tensors(path, version(2)),
        {(1, None), (2, None)},
    ),
    "the first previous one": (
        lambda path, previous: save_tensors(path, version(1)),
        lambda path, previous: save_tensors(path, version(2), previous),
        {(1, None), (1, 1), (2, 1)},
    ),
    "OpenLTH's file becomes the previous one": (
        lambda path, previous: torch.save(version(1), path),
        lambda path, previous: save_tensors(path, version(2), previous),
        {(1, None), (1, 1), (2, 1)},
    ),
    "the next previous one": (
        lambda path, previous: [save_tensors(path, version(number), previous) for number in (1, 2)],
        lambda path, previous: save_tensors(path, version(3), previous),
        {(2, 1), (2, 2), (3, 2)},
    ),
    "the previous one moved back": (
        lambda path, previous: [save_tensors(path, version(number), previous) for number in (1, 2)],
        lambda path, previous: move(previous, path),
        {(2, 1), (1, None)},
    ),
    "the previous one removed": (
        lambda path, previous: [save_tensors(path, version(number), previous) for number in (1, 2)],
        lambda path, previous: remove(previous),
        {(2, 1), (2, None)},
    ),
}
"""What brings the files there, what is done to them, and which versions of the file and the previous one may be there
after a kill at any moment; None stands for a file that is not there.
"""


class Killed(BaseException):
    """Nothing reaches the disk any more, whatever code still runs."""


def killed_before_call(moment: int, patch: pytest.MonkeyPatch) -> None:
    """Let nothing reach the disk from some call on that would change what is there."""
    calls = itertools.count(1)

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) >= moment:
                raise Killed
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "link", "replace", "unlink", "chmod", "open"):
        patch.setattr(os, name, watched(getattr(os, name)))


def problems_afterwards(path: Path, previous: Path) -> list[str]:
    """Go on as the next process would, and return what is not in order then."""
    sweep_temporaries(path.parent)
    for number in (8, 9):
        save_tensors(path, version(number), previous)
    names = sorted(file.name for file in path.parent.iterdir())
    expected = sorted([f".{path.name}.sha256", f".{previous.name}.sha256", path.name, previous.name])
    digests = [len(listed_digests(file) or ()) for file in (path, previous)]
    in_order = names == expected and digests == [1, 1] and (version_in(path), version_in(previous)) == (9, 8)
    return [] if in_order else [f"{names}, {digests}"]


def no_link(path: Path, link: Path) -> None:
    """Refuse, as a file system without hard links does."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("has_links", [True, False], ids=["hard links", "no hard links"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_kill_between_any_two_steps_leaves_whole_files_that_match_their_checksums(
    scenario, has_links, tmp_path, monkeypatch, tally
):
    before, act, allowed = SCENARIOS[scenario]
    if not has_links:  # then a file cannot have the place of the previous one as well as its own
        monkeypatch.setattr(os, "link", no_link)
        allowed = {(None if new == old else new, old) for new, old in allowed}
    wrong, survived = [], False
    for moment in itertools.count(1):
        place = tmp_path / str(moment)
        path, previous = place / "checkpoint.pth", place / "checkpoint_previous.pth"
        place.mkdir()
        before(path, previous)
        with monkeypatch.context() as patch:
            killed_before_call(moment, patch)
            try:
                act(path, previous)
                survived = True
            except Killed:
                pass
        found = tuple(version_in(file) if file.exists() else None for file in (path, previous))
        damaged = [file.name for file in (path, previous) if file.exists() and version_in(file) is None]
        if damaged or found not in allowed:
            wrong.append(f"before call {moment}: {found}, damaged {damaged}")
        wrong += problems_afterwards(path, previous)
        if survived:
            break
    where = "" if has_links else ", no hard links"
    tally(moment - 1, len(wrong), f"kill between two steps: {scenario}{where}")
    assert not wrong
    assert moment > 2


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
def test_a_writer_killed_at_random_moments_loses_nothing(tmp_path, tries, tally):
    kills = tries(20, 200)
    found = in_its_own_process(kill_while_saving, tmp_path, kills, "the project")
    tally(kills, found["lost"], "SIGKILL while a 4 MB file is saved")
    assert found["lost"] == 0
    assert found["progress"] > kills / 4  # most were killed after at least one save, not before


@needs_fork
def test_the_same_kills_lose_what_torch_alone_saves(tmp_path, tries, tally):
    kills = tries(20, 200)
    found = in_its_own_process(kill_while_saving, tmp_path, kills, "torch.save")
    tally(kills, found["lost"], "for comparison: the same with plain torch.save")
    assert found["lost"] > 0  # so the test above can fail


# What killed writers leave behind.

TRAIN, LOTTERY, BRANCH = ("train",), ("lottery", "--levels=1"), ("lottery_branch", "reinit", "--levels=0")


def leave_temporaries(directory: Path) -> list[Path]:
    """Leave what killed writers would in a directory."""
    names = [".checkpoint.pth.abcdefgh.tmp", "..checkpoint.pth.sha256.12345678.tmp", ".logger.a_b_c_d_.tmp"]
    for name in names:
        (directory / name).write_bytes(b"half")
    return [directory / name for name in names]


@pytest.mark.parametrize("command", [TRAIN, LOTTERY, BRANCH], ids=lambda words: words[0])
def test_what_a_killed_run_left_half_written_goes_when_it_goes_on(command, workplace):
    workplace.done("lottery", "--levels=0", *LENET, "--quiet")
    before = set(workplace.root.rglob("logger"))
    workplace.done(*command, *LENET, "--quiet")
    [logger] = set(workplace.root.rglob("logger")) - before
    logger.unlink()  # as if it had been killed just before
    left = leave_temporaries(logger.parent)
    workplace.done(*command, *LENET, "--quiet")
    assert logger.exists()
    assert not [path for path in left if path.exists()]


@pytest.mark.parametrize("command", [TRAIN, LOTTERY, BRANCH], ids=lambda words: words[0])
def test_what_evaluate_writes_in_a_finished_run_is_never_swept_away(command, workplace, monkeypatch):
    workplace.done("lottery", "--levels=0", *LENET, "--quiet")
    workplace.done(*command, *LENET, "--quiet")
    workplace.done("lottery", "--levels=1", *LENET, "--quiet")
    replace, in_flight = os.replace, []

    def replace_while_others_run(source: Path, target: Path) -> None:
        if Path(target).name == "evaluation.json":
            in_flight.append(Path(source))
            with monkeypatch.context() as others:
                others.setattr(os, "replace", replace)
                for other in (TRAIN, ("lottery", "--levels=2"), ("lottery_branch", "reinit", "--levels=0-1")):
                    workplace.done(*other, *LENET, "--quiet")
            assert Path(source).exists()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_while_others_run)
    workplace.done("evaluate", *command, *LENET, "--quiet")
    assert in_flight and not [path for path in in_flight if path.exists()]
    assert len(list(workplace.root.rglob("evaluation.json"))) == len(in_flight)


def test_whoever_takes_a_lock_sweeps_its_own_temporary_files_only(tmp_path):
    others = leave_temporaries(tmp_path)
    own = tmp_path / "..lock_holder.json.abcdefgh.tmp"
    own.write_bytes(b"half")
    with exclusive(tmp_path):
        assert not own.exists()
        assert all(path.exists() for path in others)
