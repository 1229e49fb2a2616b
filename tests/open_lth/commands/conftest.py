"""The figures of a whole reproduction, drawn once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.open_lth.reproduced import Reproduced
from tests.open_lth.running import snapshot


@pytest.fixture(scope="session")
def figures(reproduced: Reproduced, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """All figures, by the names of their files."""
    output = tmp_path_factory.mktemp("figures")
    before = snapshot(reproduced.workplace.root)
    outcome = reproduced.run("plot", f"--output={output}")
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(outcome.out.splitlines()) == sorted(map(str, output.iterdir()))
    assert snapshot(reproduced.workplace.root) == before
    return {path.name: path.read_bytes() for path in output.iterdir()}
