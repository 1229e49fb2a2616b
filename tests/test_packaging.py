"""What is installed: everything that the packages need, types included."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import CORE, PROJECT

PACKAGES = (*CORE, "bayesian")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    """The names of what a wheel holds, built from a copy of the sources."""
    pytest.importorskip("setuptools", minversion="70.1", reason="builds a wheel")
    copy: Path = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.py", "pyproject.toml", "README.md", "cli.py", "open_lth.py", "LICENSE"):
        shutil.copy(PROJECT / file, copy)
    words = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", "built"]
    built = subprocess.run(words, cwd=copy, capture_output=True, text=True, timeout=180, check=False)
    assert built.returncode == 0, built.stderr
    [file] = (copy / "built").iterdir()
    return zipfile.ZipFile(file).namelist()


def test_the_packages_are_marked_as_typed(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel)


def test_every_module_and_every_file_that_one_reads_is_there(wheel):
    sources = [path for package in PACKAGES for path in (PROJECT / package).rglob("*") if path.is_file()]
    wanted = {path.relative_to(PROJECT).as_posix() for path in sources if "__pycache__" not in path.parts}
    assert wanted <= set(wheel)
    assert "cli.py" in wheel and "open_lth.py" not in wheel


def test_nothing_else_is_installed(wheel):
    assert {name.split("/")[0] for name in wheel if "dist-info" not in name} == {*PACKAGES, "cli.py"}
