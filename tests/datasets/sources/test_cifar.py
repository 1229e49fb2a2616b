"""CIFAR-10 and CIFAR-100 in their true layout.

torchvision unpickles a batch only if its digest is that of the published file. The tests cannot hold the published
files, so they put the digests of their own files into torchvision's tables; the check itself stays as it is.
"""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from datasets.source import DATASETS, DatasetSource
from datasets.sources.cifar import CifarSource
from foundations.errors import UserError

LAYOUTS = {
    "cifar10": (torchvision.datasets.CIFAR10, "cifar-10-batches-py", "labels"),
    "cifar100": (torchvision.datasets.CIFAR100, "cifar-100-python", "fine_labels"),
}


def old_pickle(value: object) -> bytes:
    """Pickle as NumPy did when the published files were made: booleans in a type's description are 0 and 1."""
    return pickle.dumps(value, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87")


def write(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[bool, tuple[torch.Tensor, list[int]]]:
    known, folder, key = LAYOUTS[name]
    (place / folder).mkdir(parents=True)
    random = np.random.RandomState(0)
    digests: dict[str, str] = {}

    def save(file: str, value: object) -> None:
        (place / folder / file).write_bytes(old_pickle(value))
        digests[file] = hashlib.md5((place / folder / file).read_bytes()).hexdigest()

    made = {}
    for train, batches in ((True, known.train_list), (False, known.test_list)):
        images, labels = [], []
        for file, _ in batches:
            images.append(random.randint(256, size=(4, 3072)).astype(np.uint8))
            labels.append(random.randint(10, size=4).tolist())
            save(file, {"data": images[-1], key: labels[-1]})
        made[train] = torch.from_numpy(np.concatenate(images)).view(-1, 3, 32, 32), np.concatenate(labels).tolist()
    save(known.meta["filename"], {known.meta["key"]: ["a", "b"]})
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(known, table, [[file, digests[file]] for file, _ in getattr(known, table)])
    monkeypatch.setattr(known, "meta", {**known.meta, "md5": digests[known.meta["filename"]]})
    return made


def pack(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    known, folder, _ = LAYOUTS[name]
    archive = place / known.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(place / folder, folder)
    for file in (place / folder).iterdir():
        file.unlink()
    (place / folder).rmdir()
    monkeypatch.setattr(known, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CifarSource, "download", lambda *_: pytest.fail("a download was tried"))


def source(name: str) -> DatasetSource:
    return DATASETS.get(name)()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_batches_are_read(
    name: str, nested: bool, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / (name if nested else "")
    made = write(name, place, monkeypatch)
    if packed:
        pack(name, place, monkeypatch)
    for train in (True, False):
        loaded = source(name).load(tmp_path, train)
        assert torch.equal(loaded.images, made[train][0]) and loaded.images.is_contiguous()
        assert loaded.labels.tolist() == made[train][1] and loaded.labels.dtype == torch.int64


class Bomb:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_a_batch_with_another_digest_is_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("cifar10", tmp_path, monkeypatch)
    batch, mark = tmp_path / "cifar-10-batches-py" / "data_batch_3", tmp_path / "exploded"
    batch.write_bytes(pickle.dumps(Bomb(mark)))
    for train in (True, False):
        with pytest.raises(UserError) as caught:
            source("cifar10").load(tmp_path, train)
        assert str(caught.value).startswith(f"cifar10: {batch} is damaged") and "\n" not in str(caught.value)
    assert not mark.exists()


def test_an_archive_with_another_digest_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("cifar10", tmp_path, monkeypatch)
    archive = pack("cifar10", tmp_path, monkeypatch)
    archive.write_bytes(archive.read_bytes()[:-7])
    with pytest.raises(UserError, match=f"{archive} is damaged"):
        source("cifar10").load(tmp_path, True)
    assert list(tmp_path.iterdir()) == [archive]


def test_the_published_digests_are_required_without_the_tests_tables(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        write("cifar100", tmp_path, patched)
    with pytest.raises(UserError, match="is damaged"):
        source("cifar100").load(tmp_path, True)
