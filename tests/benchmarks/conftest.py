"""The benchmarks lie beside the packages, so what they share is importable only from their own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bayesian.estimators import ESTIMATORS
from datasets import DATASETS

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the benchmarks' folder on the path, as `python benchmarks/NAME.py` does."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture(autouse=True)
def registries_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let benchmarks register data sets and estimators for the length of a test."""
    for registry in (DATASETS, ESTIMATORS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: these networks are too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
