"""Installed packages that fail as plugins are named, with the reason, and keep nobody from working."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.conftest import PROJECT, Shell

TAKEN = """
def register():
    from models import ModelFamily, register_family

    @register_family("cifar_resnet")
    class Mine(ModelFamily):
        def matches(self, name): return False
        def build(self, name, num_classes): raise NotImplementedError
"""
PACKAGES = {
    "absent": ("import a_package_that_is_not_there", "No module named 'a_package_that_is_not_there'"),
    "unfinished": ("def registr(): pass", "module 'unfinished' has no attribute 'register'"),
    "taken": (TAKEN, "--model_name: cifar_resnet is registered twice"),
    "misspelt": ("def register(:", "invalid syntax"),
}


def plant(place: Path, name: str, code: str) -> None:
    """Write a package as pip leaves it, with an entry point for its function `register`."""
    (place / f"{name}.py").write_text(code)
    info = place / f"open_lth_{name}-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: open-lth-{name}\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(f"[open_lth.plugins]\n{name} = {name}:register\n")


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    place = tmp_path_factory.mktemp("broken")
    for name, (code, _) in PACKAGES.items():
        plant(place, name, code)
    return Shell(place, place)


def test_each_is_reported_by_name_and_what_was_asked_for_is_done(shell):
    words = ("lottery", "--levels=0", "--default_hparams=mnist_lenet_12", "--display_output_location")
    result = shell.run(str(PROJECT / "open_lth.py"), *words)
    assert result.returncode == 0 and "/lottery_" in result.stdout
    lines = result.stderr.splitlines()
    assert len(lines) == len(PACKAGES)
    for name, (_, reason) in PACKAGES.items():
        [line] = [line for line in lines if line.startswith(f"warning: the plugin {name} could not be loaded: ")]
        assert reason in line


def test_they_are_listed_as_broken_with_their_packages(shell):
    result = shell.run(str(PROJECT / "open_lth.py"), "plugins")
    assert result.returncode == 0
    rows = [re.split(r"  +", line, maxsplit=2) for line in result.stdout.splitlines()]
    for name, (_, reason) in PACKAGES.items():
        [row] = [row for row in rows if row[0] == name]
        assert row[1] == f"open-lth-{name} 2.1" and row[2].startswith("broken: ") and reason in row[2]
    assert not [row for row in rows if row[1:2] == ["taken"]], "what is the core's is still the core's"
