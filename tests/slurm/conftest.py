"""One Slurm for all tests here, a root for each, and no job left when a test has ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.open_lth.running import Workplace
from tests.slurm.loopback import Loopback, Submission, asked, until


@pytest.fixture(scope="session")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """The daemons, for this session and process alone: parallel workers have one each."""
    if os.geteuid() != 0:
        pytest.skip("only root can start Slurm's daemons")
    loopback = Loopback(tmp_path_factory.mktemp("slurm"))
    try:
        loopback.start()
    except RuntimeError as reason:
        loopback.stop()
        pytest.skip(f"no Slurm: {reason}")
    yield loopback
    loopback.stop()


@pytest.fixture
def slurm(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """The daemons, for commands of this process and of those that it starts."""
    monkeypatch.setenv("SLURM_CONF", str(loopback.configuration))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield loopback
    loopback.start()  # a test may have killed some
    asked("scancel", "--user=root")
    until(lambda: not asked("squeue", "--noheader"))


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """An empty root, whose name Slurm and a shell would read otherwise than it is meant."""
    return Workplace(tmp_path / "50%A of Ann's results", tmp_path / "data")


@pytest.fixture
def submit(slurm: Loopback, workplace: Workplace) -> Callable[..., Submission]:
    """Submit a command."""
    return lambda *words: Submission.of(workplace.run(*words, "--platform=slurm"))
