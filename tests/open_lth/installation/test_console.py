"""The program where the packages are those of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys

import cli
from open_lth.installation.console import FILE
from open_lth.installation.finder import moved_names
from tests.test_architecture import PROJECT

START = "from open_lth.installation.console import main; raise SystemExit(main())"


def run_console(directory, *path: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-c", START, "--help"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_is_moved_and_the_program_is_the_file_of_the_command_line():
    assert moved_names() == frozenset()
    assert FILE.samefile(cli.__file__) and FILE.parent.samefile(PROJECT)


def test_it_runs(tmp_path):
    ran = run_console(tmp_path, PROJECT)
    assert (ran.returncode, ran.stderr) == (0, "") and "lottery" in ran.stdout


def test_a_package_of_others_that_hides_one_of_ours_is_named_with_the_way_out(tmp_path):
    stranger = tmp_path / "site" / "datasets"
    stranger.mkdir(parents=True)
    (stranger / "__init__.py").write_text("")
    ran = run_console(tmp_path, stranger.parent, PROJECT)
    assert ran.returncode == 2 and ran.stdout == ""
    assert ran.stderr.startswith(f"error: {stranger / '__init__.py'} is found before this project's package")
    assert ran.stderr.count("\n") == 1
