"""A run's context, and CIFAR-10 with a few random images in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from datasets.source import LabelledImages
from datasets.sources.cifar import Cifar10
from foundations.context import RunContext


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    """A run on the CPU whose data sets lie in the test's own directory."""
    return RunContext(tmp_path / "results", tmp_path / "data")


@pytest.fixture
def small_cifar10(monkeypatch: pytest.MonkeyPatch) -> dict[bool, LabelledImages]:
    """Let cifar10 have 53 training and 17 test images, the same every time; the key is whether for training."""
    generator = torch.Generator().manual_seed(0)
    made = {
        train: LabelledImages(
            torch.randint(1, 256, (count, 3, 32, 32), generator=generator).to(torch.uint8),
            torch.randint(10, (count,), generator=generator),
        )
        for train, count in ((True, 53), (False, 17))
    }
    monkeypatch.setattr(Cifar10, "num_train", 53)
    monkeypatch.setattr(Cifar10, "num_test", 17)
    monkeypatch.setattr(Cifar10, "load", lambda self, root, train: made[train])
    return made
