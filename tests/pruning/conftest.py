"""Results that OpenLTH itself wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundations.paths import ReplicatePaths, RunPaths
from tests.one_thread import one_thread  # noqa: F401 - for every test here

OPENLTH_ROOT = Path(__file__).parents[1] / "data" / "openlth_root"
OPENLTH_NAME = "lottery_10ded27454e22a1b71fcd332ae4f15d0"


@pytest.fixture(scope="session")
def openlth_levels() -> list[RunPaths]:
    """The three levels of a lottery of a LeNet 784-12-8-10."""
    return [ReplicatePaths(OPENLTH_ROOT, OPENLTH_NAME, 1).level(level) for level in range(3)]
