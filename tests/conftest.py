"""What every test starts from, and which tests run unless others are asked for."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

import cli
import training.saving
from open_lth.plugins import REGISTRIES

cli.load_plugins()  # before any test replaces a registry's entries for a while
for _, registry in REGISTRIES.items():
    registry.names()  # with what plugins have deferred
# Shells let what they start in the background ignore it, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is. Continuous integration tries the same examples every time.
hypothesis.settings.register_profile(
    "open_lth",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("open_lth")

SLOW = ("docs", "examples", "parallel", "reliability", "slurm")
"""Folders here whose tests are slow, but for those marked `smoke`."""


def pytest_configure(config: pytest.Config) -> None:
    """Leave slow tests out, unless a path or an expression for marks says what to run."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        config.option.markexpr = "not slow"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests."""
    for item in items:
        folder = Path(os.path.relpath(item.path, Path(__file__).parent)).parts[0]
        if folder in SLOW and item.get_closest_marker("smoke") is None:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def quick_commands() -> Iterator[None]:
    """Spare the commands that tests run in this process what would be a third of their time.

    Flushing files to the disk counts after power failures, which no test has; and what is installed stays installed.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        patch.setattr(importlib.metadata, "entry_points", functools.cache(importlib.metadata.entry_points))
        yield


@pytest.fixture(scope="session", autouse=True)
def a_checkpoint_every_epoch() -> Iterator[None]:
    """Save the state when an epoch begins, though epochs take milliseconds: tests stop within them, and count on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.saving, "EPOCH_SECONDS", 0.0)
        yield
