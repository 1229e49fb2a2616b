"""Plugins installed as a third party's would be, and commands that find them, in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Shell:
    """Runs commands where some packages can be imported, into a root of its own.

    Args:
        packages: the directory in which the packages lie.
        place: where results and data sets go.
    """

    packages: Path
    place: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python on a script of the project, or on a module."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (self.packages, PROJECT))),
            "OPEN_LTH_ROOT": str(self.place / "results"),
            "OPEN_LTH_DATASETS": str(self.place / "data"),
        }
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.place, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def done(self, *words: str) -> str:
        """Run a command of the project that must succeed without a word of complaint, and return what it prints."""
        result = self.run(str(PROJECT / "open_lth.py"), *words)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout


def installed(source: Path, place: Path) -> Path:
    """Install a package from a copy of its source, as users would, and return the directory in which it lies."""
    shutil.copytree(source, place / "source")
    words = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, "--target", str(place / "packages"), str(place / "source")],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    return place / "packages"


@pytest.fixture(scope="session")
def mc_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example plugin is installed."""
    pytest.importorskip("setuptools", reason="installing a package needs setuptools")
    return installed(PROJECT / "examples" / "mc_dropout", tmp_path_factory.mktemp("mc_dropout"))
