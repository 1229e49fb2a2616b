"""What the README and the page on logging tell users to type works on real results."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import cli
from tests.open_lth.running import LENET

PROJECT = Path(__file__).parent.parent
PAGES = {"README": PROJECT / "README.md", "logging": PROJECT / "docs" / "logging.md"}
BIN = Path(sys.executable).parent


def blocks(page: str, language: str) -> list[str]:
    text = PAGES[page].read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    """The page's commands of a program, as they stand."""
    lines = "\n".join(blocks("logging", "bash")).splitlines()
    return [line for line in lines if re.search(rf"(^|\s){re.escape(program)}\s", line)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with results in the usual place: a lottery of two levels, watched by both sinks."""
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WANDB_MODE", "offline")
        environment.setenv("WANDB_ERROR_REPORTING", "false")
        environment.delenv("WANDB_DIR", raising=False)
        words = ["lottery", "--levels=1", *LENET, "--quiet", "--tensorboard", "--wandb"]
        assert cli.main([*words, f"--root={home / 'open_lth_data'}", f"--dataset_root={home / 'data'}"]) == 0
    return home


@pytest.mark.parametrize("page", PAGES)
def test_the_lines_of_python_read_results(home, monkeypatch, page):
    monkeypatch.setenv("HOME", str(home))
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(block, names)  # what a reader would paste
    runs, curves = names["runs"], names["curves"]
    assert isinstance(runs, pd.DataFrame) and isinstance(curves, pd.DataFrame)
    assert runs["level"].tolist() == [0, 1]
    assert set(curves["level"]) == {0, 1} and curves["epoch"].notna().all()
    if page == "logging":
        assert isinstance(names["by_level"], pd.DataFrame) and names["by_level"].shape == (3, 2)
        assert names["dense_and_last"].equals(curves)


def test_the_pages_commands_are_understood(home, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("OPEN_LTH_ROOT", raising=False)
    found = commands("python open_lth.py")
    assert len(found) == 3
    for command in found:
        words = shlex.split(command.partition("open_lth.py ")[2])
        assert cli.main([*words, "--display_output_location"]) == 0
        assert capsys.readouterr().out.startswith(str(home / "open_lth_data" / "lottery_"))


@pytest.mark.parametrize(("program", "harmless"), [("tensorboard", "--inspect"), ("wandb sync", "--dry-run")])
def test_what_shows_the_results_finds_them(home, program, harmless):
    [command] = (line for line in commands(program) if line.startswith(program))
    environment = {"HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin", "WANDB_ERROR_REPORTING": "false"}
    ended = subprocess.run(
        ["bash", "-c", f"{command} {harmless}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    for level in (0, 1):
        assert f"replicate_1/level_{level}/main/" in said
