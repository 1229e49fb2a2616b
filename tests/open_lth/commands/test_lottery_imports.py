"""A lottery needs, and waits for, nothing but what it uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.open_lth.running import BAYESIAN, LENET

PROJECT = Path(__file__).parent.parent.parent.parent
OF_FIGURES = (
    "matplotlib",
    "pandas",
    "jinja2",
    "pydantic",  # reads scales
    "open_lth.figures",
    "open_lth.results",
    "bayesian.figures.plots",
    "bayesian.paper.figures",
)
_PROGRAM = """
import sys
for module in {forbidden}:
    sys.modules[module] = None  # importing it is an error from now on
import cli
raise SystemExit(cli.main({words}))
"""


def test_a_lottery_does_without_what_figures_are_made_with(tmp_path):
    places = (f"--root={tmp_path / 'results'}", f"--dataset_root={tmp_path / 'data'}")
    words = ["lottery", "--levels=1", "--quiet", *LENET, *BAYESIAN, "--training_steps=1it", *places]
    program = _PROGRAM.format(forbidden=OF_FIGURES, words=words)
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list((tmp_path / "results").rglob("logger"))) == 2
