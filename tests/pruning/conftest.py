"""Results that OpenLTH itself wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from foundations.paths import ExperimentPaths, RunPaths

OPENLTH_ROOT = Path(__file__).parents[1] / "data" / "openlth_root"
OPENLTH_NAME = "lottery_10ded27454e22a1b71fcd332ae4f15d0"


@pytest.fixture(scope="session")
def openlth_levels() -> list[RunPaths]:
    """The three levels of a lottery of a LeNet 784-12-8-10."""
    return [ExperimentPaths(OPENLTH_ROOT, OPENLTH_NAME, 1).level(level) for level in range(3)]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """On tensors this small, threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
