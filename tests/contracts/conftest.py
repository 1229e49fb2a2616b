"""Everything registered, tiny data sets, and for every case of the table a finished lottery."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contracts.data import write_data_sets
from tests.contracts.table import LARGE, Case, cases
from tests.open_lth.running import Trunk, Workplace


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: these networks are too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def patches() -> Iterator[pytest.MonkeyPatch]:
    """Patches that last as long as the tiny data sets."""
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(scope="module")
def dataset_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tiny data sets lie."""
    root: Path = tmp_path_factory.mktemp("data")
    return root


@pytest.fixture(scope="module", autouse=True)
def counts(dataset_root: Path, patches: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """The numbers of training and test images of every data set."""
    return write_data_sets(dataset_root, patches)


def _param(case: Case) -> Any:
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name.startswith(LARGE) else [])


@pytest.fixture(scope="module", params=map(_param, cases()))
def case(request: pytest.FixtureRequest) -> Case:
    """Each case in turn."""
    chosen: Case = request.param
    return chosen


@pytest.fixture(scope="module")
def finished(case: Case, dataset_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trunk]:
    """The case's lottery, levels 0 and 1; it is not to be changed."""
    root = tmp_path_factory.mktemp("finished") / "results"
    words = tuple(word.format(dataset_root=dataset_root) for word in case.words)
    trunk = Trunk(Workplace(root, dataset_root), words)
    trunk.find_tickets(levels=1)
    yield trunk
    shutil.rmtree(root)


@pytest.fixture
def trunk(finished: Trunk, tmp_path: Path) -> Iterator[Trunk]:
    """A copy of the finished lottery, to branch off or go on with."""
    root = tmp_path / "results"
    # Results are replaced, never written over, so the copy may share the files.
    shutil.copytree(finished.workplace.root, root, copy_function=os.link)
    yield Trunk(Workplace(root, finished.workplace.dataset_root), finished.words)
    shutil.rmtree(root)
