"""Sparse runs of each kind and their tickets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from foundations.paths import RunPaths
from open_lth.export.compacted import export_compacted
from open_lth.export.paths import TicketPaths
from open_lth.export.ticket import export_ticket
from open_lth.results.trainings import training_of
from tests.one_thread import one_thread  # noqa: F401 - for every test here
from tests.open_lth.running import KINDS, Trunk
from training import TrainingRun

SPARSE = "--pruning_fraction=0.8"


@pytest.fixture
def run(finished: Callable[..., Trunk], kind: str) -> TrainingRun:
    """Level 2 of a lottery of each kind of network, with 4 % of the weights; it is not to be changed."""
    return training_of(RunPaths(finished(*KINDS[kind], SPARSE).level(2)))


@pytest.fixture
def place(run: TrainingRun, tmp_path) -> TicketPaths:
    """The run's ticket."""
    place = TicketPaths(tmp_path / "ticket")
    export_ticket(run, place, "mit")
    return place


@pytest.fixture
def compacted(run: TrainingRun, place: TicketPaths) -> TicketPaths:
    """The run's ticket with its compacted form."""
    export_compacted(run, place)
    return place
