"""The notebook runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "own_network.ipynb"


@pytest.mark.slow
def test_every_cell_runs_and_the_tickets_learn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "a notebook is kept without outputs"
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    history = names["history"]
    assert [round(level["density"], 1) for level in history] == [1.0, 0.5, 0.2]
    assert all(level["accuracy"] > 0.5 for level in history)
    assert (tmp_path / "own_ticket.pt").exists() and "std_spread" in capsys.readouterr().out
