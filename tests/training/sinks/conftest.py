"""Weights & Biases without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import wandb


@pytest.fixture(autouse=True)
def wandb_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep everything on this machine, whatever the environment says."""
    for name in ("WANDB_DIR", "WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_NAME", "WANDB_RUN_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


@pytest.fixture
def set_wandb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Set one of its variables, at which it looks once in a process."""

    def set_variable(name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        wandb.teardown()

    yield set_variable
    wandb.teardown()
