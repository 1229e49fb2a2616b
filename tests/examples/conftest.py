"""Plugins installed as a third party's would be, and commands that find them, in a process of their own."""

from __future__ import annotations

import pytest

from tests.examples.plugins import PROJECT, Shell, installed


@pytest.fixture(scope="session")
def mc_dropout(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A place where the example plugin is installed."""
    pytest.importorskip("setuptools", reason="installing a package needs setuptools")
    place = tmp_path_factory.mktemp("mc_dropout")
    return Shell(installed(PROJECT / "examples" / "mc_dropout", place), place)
