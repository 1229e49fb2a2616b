"""Installed packages that fail as plugins are named, with the reason, and keep nobody from working."""

from __future__ import annotations

import re

import pytest

from tests.examples.plugins import Shell, plant
from tests.open_lth.running import Outcome

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


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[Outcome]:
    place = tmp_path_factory.mktemp("broken")
    for name, (code, _) in PACKAGES.items():
        (place / f"{name}.py").write_text(code)
        plant(place, name)
    words = ("lottery", "--levels=0", "--default_hparams=mnist_lenet_12", "--display_output_location")
    return Shell(place, place).commands([words, ("plugins",)])


@pytest.mark.smoke
def test_each_is_reported_by_name_and_what_was_asked_for_is_done(outcomes):
    assert outcomes[0].code == 0 and "/lottery_" in outcomes[0].out
    lines = outcomes[0].err.splitlines()
    assert len(lines) == len(PACKAGES)
    for name, (_, reason) in PACKAGES.items():
        [line] = [line for line in lines if line.startswith(f"warning: the plugin {name} could not be loaded: ")]
        assert reason in line


def test_they_are_listed_as_broken_with_their_packages(outcomes):
    assert outcomes[1].code == 0
    rows = [re.split(r"  +", line, maxsplit=2) for line in outcomes[1].out.splitlines()]
    for name, (_, reason) in PACKAGES.items():
        [row] = [row for row in rows if row[0] == name]
        assert row[1] == f"open-lth-{name} 2.1" and row[2].startswith("broken: ") and reason in row[2]
    assert not [row for row in rows if row[1:2] == ["taken"]], "what is the core's is still the core's"
