"""What is kept beside results: the hyperparameters, and the command with versions and machine."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

import pytest
import torch

from foundations.context import RunContext
from foundations.paths import RunPaths
from open_lth.runners import provenance
from open_lth.runners.provenance import save_command, save_hparams
from tests.open_lth.running import LENET, Trunk

COMMAND = ("lottery", "--levels=2", "--root=/a place")


@pytest.fixture
def paths(tmp_path) -> RunPaths:
    """An empty run directory."""
    return RunPaths(tmp_path / "main")


@pytest.fixture
def context(tmp_path) -> RunContext:
    """The circumstances of a run by a command."""
    return RunContext(tmp_path, tmp_path, command=COMMAND)


def test_the_whole_command_is_kept_word_by_word(paths, context):
    save_command(paths, context)
    assert json.loads(paths.command.read_text())["command"] == list(COMMAND)


def test_versions_and_machine_are_kept(paths, context):
    save_command(paths, context)
    kept = json.loads(paths.command.read_text())
    for package in ("torch", "torchvision", "torch-blue", "numpy"):
        assert kept["packages"][package] == importlib.metadata.version(package)
    assert kept["python"] == platform.python_version()
    assert (kept["machine"], kept["processor"]) == (platform.node(), platform.machine())
    assert kept["device"] == str(torch.device("cpu"))


def test_the_moment_is_kept_in_utc(paths, context):
    before = datetime.datetime.now(datetime.timezone.utc)
    save_command(paths, context)
    started = datetime.datetime.fromisoformat(json.loads(paths.command.read_text())["started"])
    assert started.utcoffset() == datetime.timedelta(0)
    assert abs(started - before) < datetime.timedelta(seconds=60)


def test_a_package_that_is_not_installed_has_no_version(paths, context, monkeypatch):
    found = importlib.metadata.version

    def without_torch_blue(name: str) -> str:
        if name == "torch-blue":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", without_torch_blue)
    save_command(paths, context)
    assert json.loads(paths.command.read_text())["packages"]["torch-blue"] is None


def test_what_is_there_is_never_written_again(paths, context, tmp_path):
    save_hparams(paths, "text")
    save_command(paths, context)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths.directory.iterdir()}
    assert set(before) >= {paths.hparams, paths.command}
    save_hparams(paths, "another text")
    save_command(paths, RunContext(tmp_path, tmp_path, command=("train",)))
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths.directory.iterdir()} == before


def test_hyperparameters_that_openlth_left_stay(paths):
    paths.directory.mkdir()
    paths.hparams.write_text("OpenLTH's")
    save_hparams(paths, "ours")
    assert paths.hparams.read_text() == "OpenLTH's"


@pytest.mark.parametrize("words", [("train",), ("lottery", "--levels=0")], ids=["train", "lottery"])
def test_a_run_keeps_its_subcommand_and_every_flag_as_given(workplace, words):
    given = (*words, *LENET, "--training_steps=1it", "--quiet")
    workplace.done(*given)
    [path] = workplace.root.rglob("command.json")
    places = [f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}"]
    assert json.loads(path.read_text())["command"] == [*given, *places]


def test_a_branch_keeps_its_own_command(trunk_of):
    trunk = trunk_of()
    directory = trunk.branch("reinit")
    kept = json.loads((directory / "command.json").read_text())["command"]
    assert kept[:3] == ["lottery_branch", "reinit", "--levels=1"]
    assert trunk.workplace.place(*kept) == directory


def test_the_first_command_stays_when_more_levels_are_found(trunk_of):
    trunk = trunk_of()
    before = (trunk.level(0) / "command.json").read_bytes()
    trunk.find_tickets(levels=3)
    Trunk(trunk.workplace, (*trunk.words, "--lrr")).find_tickets(levels=1)
    assert (trunk.level(0) / "command.json").read_bytes() == before


def test_the_commit_of_the_checkout_is_kept_and_is_none_without_one(workplace, monkeypatch, tmp_path):
    def kept(replicate: int) -> str | None:
        words = ("train", *LENET, "--training_steps=1it", f"--replicate={replicate}")
        provenance._commit.cache_clear()
        workplace.done(*words, "--quiet")
        return json.loads((workplace.place(*words) / "command.json").read_text())["commit"]

    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    commit = kept(1)
    if found.returncode == 0:
        assert commit is not None and commit.removesuffix("-dirty") == found.stdout.strip()
    else:
        assert commit is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kept(2) is None
    provenance._commit.cache_clear()
