"""What a message tells to delete comes back, with the bits that it had; what cannot come back is not promised."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from foundations.checksum import lost_files, sidecar
from foundations.errors import UserError
from foundations.storage import load_tensors, read_text, save_tensors
from open_lth.results import read_curves, read_runs
from pruning import Mask
from tests.open_lth.running import KINDS, LENET, Trunk, Workplace
from tests.reliability.damage import follow_advice

LEVELS = "--levels=1"
SHUFFLE = ("lottery_branch", "shuffle", LEVELS, "--quiet", "--seed=1", "--strategy=layerwise")
AGAIN = ("hparams.log", "mask.pth", "sparsity_report.json", "model_ep0_it0.pth", "model_ep2_it0.pth", "logger")
OF_THE_TIME = ("command.json", "timing.json")


@pytest.fixture(scope="module", params=KINDS)
def whole(request, tmp_path_factory) -> Trunk:
    """A finished lottery of two levels with a branch, evaluated."""
    place = tmp_path_factory.mktemp("whole")
    trunk = Trunk(Workplace(place / "results", place / "data"), (*LENET, *KINDS[request.param]))
    trunk.find_tickets(levels=1)
    trunk.workplace.done(*SHUFFLE, *trunk.words)
    trunk.workplace.done("evaluate", "lottery", LEVELS, "--quiet", *trunk.words)
    return trunk


@pytest.fixture
def trunk(whole, tmp_path) -> Trunk:
    shutil.copytree(whole.workplace.root, tmp_path / "results")
    return Trunk(Workplace(tmp_path / "results", tmp_path / "data"), whole.words)


def branch_of(trunk: Trunk) -> Path:
    (directory,) = (trunk.directory / "level_1").glob("lottery_branch_*")
    return directory


def everything(directory: Path) -> dict[str, bytes]:
    """Return all files but those that tell the time, by name."""
    found = (path for path in directory.iterdir() if path.is_file() and path.name != ".lock")
    return {path.name: path.read_bytes() for path in found if not path.name.removeprefix(".").startswith(OF_THE_TIME)}


def without_checkpoint(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if "checkpoint" not in name}


@pytest.mark.parametrize("name", AGAIN)
@pytest.mark.parametrize("place", ["level_0", "level_1", "branch"])
def test_a_deleted_file_comes_back_by_the_command_that_made_it(place, name, trunk, tally):
    directory = branch_of(trunk) if place == "branch" else trunk.level(int(place[-1]))
    if name == "hparams.log" and place == "level_1":
        assert not (directory / name).exists()  # they stand with level 0
        return
    expected = everything(directory)
    (directory / name).unlink()
    trunk.find_tickets(levels=1)
    trunk.workplace.done(*SHUFFLE, *trunk.words)
    found, wanted = without_checkpoint(everything(directory)), without_checkpoint(expected)
    tally(1, int(found != wanted), "a deleted file comes back")
    assert found == wanted
    assert not lost_files(directory)


@pytest.mark.parametrize("name", [*AGAIN, *OF_THE_TIME, "evaluation.json"])
def test_the_advice_about_a_damaged_file_leads_on(name, trunk, tally):
    """Followed, it brings the file back, or says that nothing will."""
    path = trunk.level(0) / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError) as caught:
        read_text(path)
    promised = "cannot be had again" not in str(caught.value)
    assert promised == (name not in OF_THE_TIME)
    follow_advice(f"error: {caught.value}")
    for words in (("lottery",), ("evaluate", "lottery")):
        trunk.workplace.done(*words, LEVELS, "--quiet", *trunk.words)
    tally(1, int(path.exists() != promised), "what a message about damage advises")
    assert path.exists() == promised
    assert len(read_runs(trunk.workplace.root)) == 3


def test_initial_weights_come_back_and_are_checked_by_level_1(trunk, whole):
    path = trunk.level(0) / "model_ep0_it0.pth"
    path.unlink()
    trunk.find_tickets(levels=1)
    assert path.read_bytes() == (whole.level(0) / path.name).read_bytes()


def test_initial_weights_that_are_others_than_level_1_began_with_are_refused(trunk, whole):
    path, ticket = trunk.level(0) / "model_ep0_it0.pth", trunk.level(1) / "model_ep0_it0.pth"
    path.unlink()
    others = {name: tensor * 1.5 for name, tensor in load_tensors(ticket).items()}
    save_tensors(ticket, others)
    message = trunk.workplace.refused("lottery", LEVELS, "--quiet", *trunk.words)
    assert message.startswith(
        f"error: {path}: missing, and the weights that this version of PyTorch draws are not those"
    )
    assert message.endswith(f"; put a copy of it back, or delete {trunk.directory} to begin again")
    assert not path.exists()
    shutil.copy(whole.level(0) / path.name, path)
    trunk.find_tickets(levels=1)


def test_initial_weights_without_a_level_1_come_back_with_a_warning(trunk, whole, tmp_path):
    shutil.rmtree(trunk.directory / "level_1")
    path = trunk.level(0) / "model_ep0_it0.pth"
    path.unlink()
    outcome = trunk.workplace.run("lottery", LEVELS, "--quiet", *trunk.words)
    assert outcome.code == 0 and f"{path}: made again from the seed of the replicate" in outcome.err
    assert path.read_bytes() == (whole.level(0) / path.name).read_bytes()


def test_the_density_stands_in_the_mask_too(trunk):
    expected = read_runs(trunk.workplace.root).set_index("directory")["density"]
    for report in trunk.directory.rglob("sparsity_report.json"):
        report.unlink()
    found = read_runs(trunk.workplace.root).set_index("directory")["density"]
    assert found.to_dict() == expected.to_dict()
    assert found[str(trunk.level(1))] == Mask.load(trunk.level(1) / "mask.pth").density


# Whose files they are.


OF_ANOTHER = "a file of another level or replicate, with its checksum"


@pytest.mark.parametrize("name", ["mask.pth", "model_ep0_it0.pth", "model_ep2_it0.pth"])
def test_a_file_of_another_level_is_refused_by_name(name, trunk, tally):
    """Each is whole, and has a checksum that is right."""
    for path in (trunk.level(0) / name, sidecar(trunk.level(0) / name)):
        shutil.copy(trunk.level(1) / path.name, path)
    ours = f"{trunk.directory.parent.name}/{trunk.directory.name}/level_1/main"
    with pytest.raises(UserError, match=f"{name}: belongs to {ours}, not to this run; put it back there, or delete"):
        load_tensors(trunk.level(0) / name)
    tally(1, 0, OF_ANOTHER)
    (trunk.level(1) / "mask.pth").unlink()
    if name != "model_ep0_it0.pth":  # which the mask does not need
        assert f"{name}: belongs to {ours}" in trunk.workplace.refused("lottery", LEVELS, "--quiet", *trunk.words)


def test_a_checkpoint_of_another_replicate_is_refused_by_name(trunk, tally):
    other = (*trunk.words, "--replicate=2")
    trunk.workplace.done("lottery", "--levels=0", "--quiet", *other)
    mine, theirs = trunk.level(0), trunk.directory.parent / "replicate_2" / "level_0" / "main"
    for name in ("checkpoint.pth", ".checkpoint.pth.sha256"):
        shutil.copy(theirs / name, mine / name)
    (mine / "logger").unlink()
    message = trunk.workplace.refused("lottery", LEVELS, "--quiet", *trunk.words)
    assert "checkpoint.pth: belongs to" in message and "replicate_2/level_0/main" in message
    tally(1, 0, OF_ANOTHER)


def test_a_root_may_move(trunk, tmp_path):
    shutil.move(trunk.workplace.root, tmp_path / "elsewhere")
    moved = Trunk(Workplace(tmp_path / "elsewhere", tmp_path / "data"), trunk.words)
    assert torch.is_tensor(next(iter(load_tensors(moved.level(1) / "mask.pth").values())))
    moved.find_tickets(levels=1)
    assert len(read_curves(moved.workplace.root)) > 0


def test_what_a_kill_has_left_beside_a_finished_run_is_settled(trunk):
    path = trunk.level(0) / "logger"
    before = sidecar(path).read_text()
    head, line = before.splitlines()
    sidecar(path).write_text(f"{head}\n{'0' * 64}  logger\n{line}\n")
    trunk.find_tickets(levels=1)
    assert sidecar(path).read_text() == before
