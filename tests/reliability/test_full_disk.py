"""A disk that is full: one line, nothing lost, nothing half-written, and the same bits once there is room again."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from foundations.errors import UserError
from foundations.storage import load_tensors
from tests.open_lth.running import LENET, Trunk, Workplace, results
from tests.reliability.processes import Command, Ended
from training.checkpoint import TrainingState

MOMENTUM = (*LENET, "--default_hparams=mnist_lenet_20_10", "--momentum=0.9", "--training_steps=4ep")
"""A model of 66 kB, whose checkpoints, with as much momentum, are twice as big."""

needs_limits = pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits on the size of files")


class Stopped(UserError):
    """Training ends in the middle."""


@pytest.fixture
def stopped(workplace, monkeypatch) -> Trunk:
    """A lottery that stopped after its third checkpoint."""
    trunk, save, saved = Trunk(workplace, MOMENTUM), TrainingState.save, []

    def save_and_stop(state, paths) -> None:
        save(state, paths)
        saved.append(paths)
        if len(saved) == 3:
            raise Stopped("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", save_and_stop)
        trunk.workplace.refused(*words(trunk))
    return trunk


def words(trunk: Trunk) -> list[str]:
    return ["lottery", "--levels=0", "--quiet", *trunk.words]


def run_with_files_up_to(limit: int, trunk: Trunk) -> Ended:
    places = [f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}"]
    with Command([*words(trunk), *places], trunk.workplace.root.parent / "said", limit) as command:
        return command.wait()


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@needs_limits
def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(stopped, tmp_path, tries, tally):
    unbroken = Trunk(Workplace(tmp_path / "unbroken", tmp_path / "data"), MOMENTUM)
    unbroken.find_tickets(levels=0)
    directory, fractions = stopped.level(0), [0.5, 0.999, 0.99, 0.9, 0.1, 0.01][: tries(1, 6)]
    before, checkpoint, lost = content(directory), directory / "checkpoint.pth", 0
    for fraction in fractions:
        ended = run_with_files_up_to(max(1000, int(checkpoint.stat().st_size * fraction)), stopped)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"error: [Errno 27] File too large: '{checkpoint}'\n"
        lost += content(directory) != before
    assert load_tensors(checkpoint)["ep"] == 2
    stopped.find_tickets(levels=0)
    lost += results(directory) != results(unbroken.level(0))
    tally(len(fractions), lost, "disk full while a checkpoint is saved")
    assert lost == 0


@needs_limits
def test_a_run_that_cannot_write_its_first_file_says_so_and_begins_when_it_can(workplace):
    trunk = Trunk(workplace, MOMENTUM)
    ended = run_with_files_up_to(500, trunk)
    assert ended.code == 2
    assert ended.err.startswith("error: [Errno 27] File too large: '") and ended.err.count("\n") == 1
    assert not list(workplace.root.rglob("*.tmp"))
    trunk.find_tickets(levels=0)
