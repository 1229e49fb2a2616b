"""Roots of their own for every test, and finished lotteries to start from."""

from __future__ import annotations

import shutil
import struct
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.open_lth.reproduced import Reproduced, reproduce
from tests.open_lth.running import KINDS, LENET, Trunk, Workplace

OPENLTH_ROOT = Path(__file__).parent.parent / "data" / "openlth_root"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every download fail at once."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr(urllib.request, "urlopen", fail)


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """An empty root."""
    return Workplace(tmp_path / "results", tmp_path / "data")


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each variant in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trunk]:
    """Return finished lotteries of levels 0 to 2, found once for each set of flags; they are not to be changed."""
    known: dict[tuple[str, ...], Trunk] = {}

    def find(*words: str) -> Trunk:
        if words not in known:
            place = tmp_path_factory.mktemp("finished")
            known[words] = Trunk(Workplace(place / "results", place / "data"), (*LENET, *words))
            known[words].find_tickets(levels=2)
        return known[words]

    return find


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    """A whole tiny reproduction; it is not to be changed."""
    return reproduce(tmp_path_factory.mktemp("reproduced"))


@pytest.fixture
def trunk_of(finished: Callable[..., Trunk], workplace: Workplace) -> Callable[..., Trunk]:
    """Return copies of finished lotteries, to branch off or go on with."""

    def copy(*words: str) -> Trunk:
        original = finished(*words)
        shutil.copytree(original.workplace.root, workplace.root)
        return Trunk(workplace, original.words)

    return copy


@pytest.fixture
def trunk(trunk_of: Callable[..., Trunk], kind: str) -> Trunk:
    """A copy of a finished lottery of each kind."""
    return trunk_of(*KINDS[kind])


@pytest.fixture(scope="session")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of data sets with 70,000 made-up images in the files of MNIST: each class is a pattern with noise."""
    root: Path = tmp_path_factory.mktemp("mnist")
    raw = root / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(256, (10, 28 * 28), generator=generator, dtype=torch.uint8)
    for split, count in (("train", 60000), ("t10k", 10000)):
        labels = torch.randint(10, (count,), generator=generator, dtype=torch.uint8)
        images = patterns[labels.long()] ^ torch.randint(256, (28 * 28,), generator=generator, dtype=torch.uint8)
        images[:, ::2] = labels[:, None] * 20
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + images.numpy().tobytes())
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.numpy().tobytes())
    return root


@pytest.fixture
def openlth_trunk(tmp_path: Path, mnist: Path) -> Trunk:
    """A copy of a lottery that OpenLTH itself ran: levels 0 to 2 of a LeNet 784-12-8-10."""
    shutil.copytree(OPENLTH_ROOT, tmp_path / "results")
    words = (
        "--default_hparams=mnist_lenet_12_8",
        "--training_steps=2ep",
        "--subsample_fraction=0.02",
        "--evaluate_only_at_end",
    )
    return Trunk(Workplace(tmp_path / "results", mnist), words)
