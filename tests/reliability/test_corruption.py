"""Damaged files are named with a way out, or replaced by what came before; wrong weights are never taken for right."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import cli
from datasets.source import DATASETS, LabelledImages
from foundations.checksum import sidecar
from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import load_tensors, read_json, read_text, save_tensors
from pruning import Mask
from tests.open_lth.running import LENET, Trunk, Workplace, results
from tests.reliability.damage import damages, follow_advice, refusals
from tests.reliability.data_files import pack_cifar, write_cifar, write_mnist, write_svhn
from training import MetricLogger
from training.checkpoint import TrainingState
from training.precision import Precision

OPENLTH_RUN = Path(__file__).parents[1] / "data/openlth_root/lottery_10ded27454e22a1b71fcd332ae4f15d0/replicate_1"
READERS = {
    "model_ep0_it0.pth": load_tensors,
    "model_ep2_it0.pth": load_tensors,
    "mask.pth": Mask.load,
    "checkpoint.pth": load_tensors,
    "logger": MetricLogger.load,
    "sparsity_report.json": read_json,
    "hparams.log": read_text,
    "command.json": read_json,
    "timing.json": read_json,
    "evaluation.json": read_json,
}
OF_LEVEL_0 = sorted(READERS)
OF_LEVEL_1 = [
    "checkpoint.pth",
    "checkpoint_previous.pth",
    "command.json",
    "mask.pth",
    "model_ep0_it0.pth",
    "sparsity_report.json",
]
LEVELS = "--levels=1"


class Stopped(UserError):
    """Training ends in the middle."""


def copied(trunk: Trunk, place: Path) -> Trunk:
    shutil.copytree(trunk.workplace.root, place / "results")
    return Trunk(Workplace(place / "results", place / "data"), trunk.words)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Trunk:
    """A finished lottery of two levels, evaluated."""
    place = tmp_path_factory.mktemp("unbroken")
    trunk = Trunk(Workplace(place / "results", place / "data"), LENET)
    trunk.find_tickets(levels=1)
    trunk.workplace.done("evaluate", "lottery", LEVELS, "--quiet", *trunk.words)
    return trunk


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Trunk:
    """The same lottery, stopped after the second checkpoint of level 1; level 0 is evaluated."""
    place = tmp_path_factory.mktemp("stopped")
    trunk = Trunk(Workplace(place / "results", place / "data"), LENET)
    save, saved = TrainingState.save, []

    def save_and_stop(state: TrainingState, paths: RunPaths) -> None:
        save(state, paths)
        saved.append(paths.directory.parent.name)
        if saved.count("level_1") == 2:
            raise Stopped("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", save_and_stop)
        trunk.workplace.refused("lottery", LEVELS, "--quiet", *trunk.words)
    trunk.workplace.done("evaluate", "lottery", "--levels=0", "--quiet", *trunk.words)
    return trunk


def test_the_stopped_lottery_has_the_files_that_are_to_be_damaged(stopped):
    def names(level: int) -> list[str]:
        return sorted(path.name for path in stopped.level(level).iterdir() if not path.name.startswith("."))

    assert (names(0), names(1)) == (OF_LEVEL_0, OF_LEVEL_1)


# Reading one file.


@pytest.mark.parametrize("name", READERS)
def test_damage_to_a_file_never_goes_unnoticed(name, unbroken, tmp_path, tally):
    path = copied(unbroken, tmp_path).level(0) / name
    tried, unnoticed, wrong = refusals(path, lambda: READERS[name](path), str(path))
    tally(tried, unnoticed, f"damage to {name}")
    assert (unnoticed, wrong) == (0, [])
    READERS[name](path)


@pytest.mark.parametrize("name", READERS)
def test_damage_to_a_checksum_is_named_or_changes_nothing(name, unbroken, tmp_path, tally):
    path = copied(unbroken, tmp_path).level(0) / name
    tried, read, wrong = refusals(sidecar(path), lambda: READERS[name](path), sidecar(path).name)
    tally(tried, len(wrong), f"damage to the checksum of {name}")
    assert not wrong
    assert read <= 2  # the line's end may be missing, or be another


def same(found: Any, expected: Any) -> bool:
    """Return whether two values agree in every bit."""
    if isinstance(expected, torch.Tensor):
        return isinstance(found, torch.Tensor) and found.dtype == expected.dtype and torch.equal(found, expected)
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[key], expected[key]) for key in expected)
        )
    return bool(found == expected)


@pytest.mark.parametrize("name", ["model_ep2_it0.pth", "mask.pth"])
@pytest.mark.parametrize("origin", ["ours", "OpenLTH's"])
def test_damage_to_tensors_without_a_checksum_is_named_or_changes_nothing(name, origin, unbroken, tmp_path, tally):
    path = tmp_path / name
    shutil.copy((unbroken.level(0) if origin == "ours" else OPENLTH_RUN / "level_2" / "main") / name, path)
    expected, changed, tried = load_tensors(path), 0, 0
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        tried += 1
        try:
            changed += not same(load_tensors(path), expected)
        except UserError as error:
            assert str(error).startswith(f"{path}: ") and "delete it" in str(error)
    tally(tried, changed, f"damage to {origin} {name} without a checksum")
    assert changed == 0


# Checkpoints: there is one before.


def state(seed: int) -> TrainingState:
    torch.manual_seed(seed)
    model = nn.Linear(20, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return TrainingState(model, optimizer, Precision("fp32", torch.device("cpu")), Step(seed, 4))


def test_damage_to_the_newest_checkpoint_costs_one_checkpoint(tmp_path, caplog, tally):
    whole, tried, lost = RunPaths(tmp_path / "whole"), 0, 0
    for number in (1, 2):
        state(number).save(whole)
    for damaged in damages(whole.checkpoint.read_bytes()):
        paths = RunPaths(tmp_path / "run")
        shutil.copytree(whole.directory, paths.directory)
        paths.checkpoint.write_bytes(damaged)
        restored = state(0)
        caplog.clear()
        restored.restore(paths)
        assert re.search(r"checkpoint\.pth: damaged: .* going on from checkpoint_previous\.pth", caplog.messages[0])
        lost += restored.step.iteration != 1 or not torch.equal(restored.model.weight, state(1).model.weight)
        tried += 1
        shutil.rmtree(paths.directory)
    tally(tried, lost, "damage to the newest checkpoint, then the one before")
    assert lost == 0


# Whole commands: the advice of the message leads to the bits that there would have been.


def finish(trunk: Trunk) -> list[str]:
    """Finish a lottery and evaluate it, do what error messages say, and return them and the warnings."""
    said = []
    for _ in range(4):
        for words in (("lottery",), ("evaluate", "lottery")):
            outcome = trunk.workplace.run(*words, LEVELS, "--quiet", *trunk.words)
            said += outcome.err.splitlines()
            if outcome.code != 0:
                assert outcome.code == 2 and outcome.err.count("\n") == 1, outcome
                follow_advice(outcome.err.strip())
                break
        else:
            return said
    raise AssertionError(said)


def everything(trunk: Trunk) -> dict[str, bytes]:
    directory = trunk.directory
    evaluations = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("evaluation.json")}
    return results(directory) | evaluations


def damaged_at(path: Path, number: int) -> None:
    """Damage a file in one of the ways."""
    ways = list(damages(path.read_bytes()))
    path.write_bytes(ways[(7 * number) % len(ways)])


@pytest.mark.parametrize(("level", "name"), [*((0, name) for name in OF_LEVEL_0), *((1, name) for name in OF_LEVEL_1)])
def test_a_lottery_with_a_damaged_file_ends_in_the_same_bits(level, name, unbroken, stopped, tmp_path, tries, tally):
    tried, lost = tries(1, 10), []
    for number in range(tried):
        trunk = copied(stopped, tmp_path / str(number))
        path = trunk.level(level) / name
        damaged_at(path, (OF_LEVEL_0.index(name) if name in OF_LEVEL_0 else 5) + 3 * number)
        damaged = path.read_bytes()
        said = finish(trunk)
        found, expected = everything(trunk), everything(unbroken)
        # What nobody reads stays damaged, until somebody reads it.
        unread = {key for key in found if key.endswith(f"level_{level}/main/{name}") and found[key] == damaged}
        if unread:
            with pytest.raises(UserError, match=f"^{path}: damaged"):
                READERS[name](path)
        if {k: v for k, v in found.items() if k not in unread} != {
            k: v for k, v in expected.items() if k not in unread
        }:
            lost.append(number)
        assert all(str(path) in line for line in said) or "begin again" in said[-1], said
    tally(tried, len(lost), f"damage to level_{level}/main/{name}, then the same commands")
    assert not lost


def test_masks_and_initial_weights_of_finished_levels_are_made_again_if_they_are_deleted(unbroken, tmp_path):
    trunk = copied(unbroken, tmp_path)
    expected, others = everything(unbroken), trunk.level(1) / "logger"
    before = others.stat().st_mtime_ns
    for path in (trunk.level(0) / "mask.pth", trunk.level(1) / "mask.pth", trunk.level(1) / "model_ep0_it0.pth"):
        path.unlink()
    trunk.find_tickets(levels=1)
    assert everything(trunk) == expected
    assert others.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["logger", "command.json", "hparams.log"])
def test_damage_does_not_hide_other_runs_from_the_list_and_is_shown(name, unbroken, tmp_path, capsys):
    trunk = copied(unbroken, tmp_path)
    damaged_at(trunk.level(0) / name, 3)
    runs = ["runs", f"--root={trunk.workplace.root}"]
    assert cli.main(runs) == 0
    [line] = capsys.readouterr().out.splitlines()[1:]
    assert (" ? " in line) == (name == "hparams.log")
    assert cli.main([*runs, "show", trunk.directory.parent.name]) == 0
    out = capsys.readouterr().out
    assert (f"{trunk.level(0) / name}: damaged" in out) == (name == "hparams.log")
    assert "level_1/main" in out


def test_both_checkpoints_damaged_is_one_message_and_the_advice_leads_to_the_same_bits(stopped, unbroken, tmp_path):
    trunk = copied(stopped, tmp_path)
    for name in ("checkpoint.pth", "checkpoint_previous.pth"):
        damaged_at(trunk.level(1) / name, 30)
    [message] = finish(trunk)
    assert str(trunk.level(1) / "checkpoint.pth") in message
    assert str(trunk.level(1) / "checkpoint_previous.pth") in message
    assert everything(trunk) == everything(unbroken)


def test_a_file_that_was_changed_on_purpose_is_accepted_once_its_checksum_is_deleted(unbroken, tmp_path):
    trunk = copied(unbroken, tmp_path)
    path = trunk.level(1) / "model_ep2_it0.pth"
    save_tensors(tmp_path / "zero.pth", {name: torch.zeros_like(t) for name, t in load_tensors(path).items()})
    shutil.copy(tmp_path / "zero.pth", path)
    (trunk.level(1) / "evaluation.json").unlink()
    evaluate = ("evaluate", "lottery", LEVELS, "--quiet", *trunk.words)
    assert f"or delete .{path.name}.sha256 if you changed it yourself" in trunk.workplace.refused(*evaluate)
    sidecar(path).unlink()
    trunk.workplace.done(*evaluate)


# Data sets.


@pytest.fixture
def data(tmp_path, monkeypatch) -> dict[str, tuple[str, Path]]:
    """Files of data sets: what each is, the data set that it belongs to, and where it lies."""
    plain = write_mnist(tmp_path / "idx", packed=False)
    packed = write_mnist(tmp_path / "gz", packed=True)
    batches = write_cifar(tmp_path / "cifar", monkeypatch)
    shutil.copytree(batches.parent, tmp_path / "archive" / "cifar10")
    archive = pack_cifar(tmp_path / "archive" / "cifar10" / batches.name, monkeypatch)
    unpacked = write_mnist(tmp_path / "unpacked", packed=True)
    DATASETS.get("mnist")().load(tmp_path / "unpacked", train=True)
    return {
        "idx": ("mnist", plain / "train-labels-idx1-ubyte"),
        "gz": ("mnist", packed / "train-images-idx3-ubyte.gz"),
        "unpacked": ("mnist", unpacked / "train-images-idx3-ubyte"),
        "cifar": ("cifar10", batches / "data_batch_2"),
        "archive": ("cifar10", archive),
        "svhn": ("svhn", write_svhn(tmp_path / "svhn", monkeypatch)),
    }


@pytest.mark.parametrize(
    ("what", "is_checked"),
    [("idx", False), ("gz", True), ("unpacked", True), ("cifar", True), ("archive", True), ("svhn", True)],
)
def test_damage_to_a_data_set_is_named_or_changes_nothing(what, is_checked, data, tmp_path, tally):
    name, path = data[what]

    def load() -> LabelledImages:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)  # or else what was unpacked before would be taken
        shutil.copytree(tmp_path / what, tmp_path / "copy")
        return DATASETS.get(name)().load(tmp_path / "copy", train=True)

    expected, changed = load(), 0

    def load_and_compare() -> None:
        nonlocal changed
        found = load()
        changed += not (torch.equal(found.images, expected.images) and torch.equal(found.labels, expected.labels))

    tried, _, wrong = refusals(path, load_and_compare, str(tmp_path / "copy" / path.relative_to(tmp_path / what)))
    assert not wrong
    if is_checked:  # a file that somebody else unpacked has no checksum
        tally(tried, changed, f"damage to a data set's file: {what}")
        assert changed == 0
