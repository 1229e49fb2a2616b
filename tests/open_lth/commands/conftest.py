"""The figures of a whole reproduction, drawn once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.open_lth.reproduced import Reproduced
from tests.open_lth.running import snapshot


@pytest.fixture(scope="session")
def figures(reproduced: Reproduced, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """All figures, by the names of their files: drawing them takes half a minute, so for slow tests."""
    return drawn(reproduced, tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="session")
def some_figures(reproduced: Reproduced, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Four of them."""
    return drawn(reproduced, tmp_path_factory.mktemp("some_figures"), "--figure", "1", "2", "9", "cost")


def drawn(reproduced: Reproduced, output: Path, *words: str) -> Mapping[str, bytes]:
    """Return figures, drawn without a change to the results."""
    before = snapshot(reproduced.workplace.root)
    outcome = reproduced.run("plot", f"--output={output}", *words)
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(outcome.out.splitlines()) == sorted(map(str, output.iterdir()))
    assert snapshot(reproduced.workplace.root) == before
    return {path.name: path.read_bytes() for path in output.iterdir()}
