"""Packages installed where only some processes find them, and commands run there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.open_lth.running import Outcome

PROJECT = Path(__file__).parent.parent.parent

# One process for many commands, because importing torch takes longer than a small network's training.
_DRIVER = """
import contextlib, io, json, sys
import cli
outcomes = []
for words in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    outcomes.append((code, out.getvalue(), err.getvalue()))
json.dump(outcomes, sys.stdout)
"""


@dataclass(frozen=True)
class Shell:
    """Runs commands where some packages can be imported.

    Args:
        packages: the directory in which the packages lie.
        place: the working directory; results go to `results` there unless a command says otherwise.
    """

    packages: Path
    place: Path

    def commands(self, commands: Sequence[Sequence[str]]) -> list[Outcome]:
        """Run commands of the project one after the other, in one process."""
        result = self.python("-c", _DRIVER, standard_input=json.dumps([list(words) for words in commands]))
        assert result.returncode == 0, result.stderr
        return [Outcome(*outcome) for outcome in json.loads(result.stdout)]

    def python(self, *words: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
        """Run Python."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (self.packages, PROJECT))),
            "OPEN_LTH_ROOT": str(self.place / "results"),
            "OPEN_LTH_DATASETS": str(self.place / "data"),
        }
        return subprocess.run(
            [sys.executable, *words],
            input=standard_input,
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


def installed(source: Path, place: Path) -> Path:
    """Install a package from a copy of its source, as users would, and return the directory in which it lies."""
    kept_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(source, place / "source", ignore=kept_out)
    words = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    result = subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, "--target", str(place / "packages"), str(place / "source")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return place / "packages"


def plant(place: Path, name: str) -> None:
    """Write beside a module or package what pip would: that its function `register` is an entry point."""
    info = place / f"open_lth_{name}-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: open-lth-{name}\nVersion: 2.1\n")
    (info / "entry_points.txt").write_text(f"[open_lth.plugins]\n{name} = {name}:register\n")
