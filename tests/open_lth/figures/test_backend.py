"""Figures are drawn whatever MPLBACKEND says."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("backend", ["module://a_notebook_that_is_not_here", "nonsense", "agg"])
def test_a_backend_that_is_not_installed_is_none_that_is_needed(backend):
    program = "from open_lth.figures.layout import look; import matplotlib\nwith look(): print(matplotlib.__name__)"
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "MPLBACKEND": backend}
    )
    assert (outcome.returncode, outcome.stdout) == (0, "matplotlib\n"), outcome.stderr
