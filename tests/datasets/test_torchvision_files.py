"""Files that are missing, damaged, packed, or in a directory that cannot be written to."""

from __future__ import annotations

import gzip
import io
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from datasets.source import DATASETS, LabelledImages
from datasets.torchvision_files import TorchvisionSource
from foundations.errors import UserError

DOWNLOADERS = [
    "torchvision.datasets.mnist.download_and_extract_archive",
    "torchvision.datasets.cifar.download_and_extract_archive",
    "torchvision.datasets.svhn.download_url",
]
MISSING = {
    "mnist": ("mnist/MNIST/raw", "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz"),
    "fashion_mnist": ("FashionMNIST/raw", "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz"),
    "cifar10": ("cifar10", "cifar-10-python.tar.gz"),
    "cifar100": ("cifar100", "cifar-100-python.tar.gz"),
    "svhn": ("svhn", "train_32x32.mat"),
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every download leave half a file behind and fail, as torchvision's would."""

    def fail(url: str, *args: object, **kwargs: object) -> None:
        root = Path(str(kwargs.get("download_root") or args[0]))
        root.mkdir(parents=True, exist_ok=True)
        (root / "half").write_bytes(b"half a file")
        print("Downloading", url)
        print("0%", file=sys.stderr)
        raise URLError("Network is unreachable")

    for name in DOWNLOADERS:
        monkeypatch.setattr(name, fail)


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("exists", [False, True])
def test_a_missing_data_set_is_told_in_one_line_and_leaves_nothing(
    name: str, exists: bool, offline: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "some" / "where"
    if exists:
        root.mkdir(parents=True)
    timeout = socket.getdefaulttimeout()
    with pytest.raises(UserError) as caught:
        DATASETS.get(name)().load(root, train=True)
    folder, files = MISSING[name]
    message = str(caught.value)
    assert message.startswith(f"{name}: not found, and the download failed (") and "\n" not in message
    assert f"put {files}" in message and f" into {root / folder}" in message
    assert ("Debian's package dataset-fashion-mnist" in message) == (name == "fashion_mnist")
    assert list(tmp_path.rglob("*")) == ([root.parent, root] if exists else [])
    assert capfd.readouterr() == ("", "")
    assert socket.getdefaulttimeout() == timeout


class Toy(TorchvisionSource):
    """One packed file of pixels, and a record of how often it was unpacked."""

    name = "toy"
    unpacked = 0

    def files(self, train: bool) -> list[str]:
        return ["deep/plain"]

    def wanted(self, train: bool) -> list[str]:
        return ["deep/plain.gz"]

    def read(self, place: Path, train: bool) -> LabelledImages:
        pixels = torch.tensor(list((place / "deep" / "plain").read_bytes()), dtype=torch.uint8)
        if len(pixels) != 4:
            raise ValueError("not four pixels\nbut more text")
        return LabelledImages(pixels.view(4, 1, 1, 1), torch.zeros(4, dtype=torch.int64))

    def is_intact(self, path: Path) -> bool:
        return len(path.read_bytes()) == 4

    def unpack(self, place: Path, stage: Path) -> None:
        self.unpacked += 1
        if (place / "deep" / "plain.gz").is_file():
            (stage / "deep").mkdir()
            (stage / "deep" / "plain").write_bytes(gzip.decompress((place / "deep" / "plain.gz").read_bytes()))

    def download(self, stage: Path, train: bool) -> None:
        (stage / "deep").mkdir()
        (stage / "deep" / "plain").write_bytes(b"down")


def pack(place: Path, content: bytes = b"abcd") -> None:
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "plain.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("inner", ["toy", "."])
def test_packed_files_are_unpacked_once_beside_themselves(inner: str, tmp_path: Path) -> None:
    pack(tmp_path / inner)
    toy = Toy()
    for _ in range(2):
        assert toy.load(tmp_path, train=True).images.flatten().tolist() == list(b"abcd")
    assert toy.unpacked == 1
    assert sorted(p.name for p in (tmp_path / inner / "deep").iterdir()) == [".plain.sha256", "plain", "plain.gz"]
    assert not list(tmp_path.glob(".staging*"))


def test_what_is_downloaded_goes_to_the_data_sets_own_directory(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    assert Toy().load(root, train=True).images.flatten().tolist() == list(b"down")
    assert {p.name for p in root.rglob("*") if p.is_file()} == {"plain", ".plain.sha256"}
    assert (root / "toy" / "deep" / "plain").read_bytes() == b"down"


def test_an_unpacked_file_that_changes_is_not_read_and_comes_again_once_it_is_deleted(tmp_path: Path) -> None:
    pack(tmp_path)
    plain = tmp_path / "deep" / "plain"
    Toy().load(tmp_path, train=True)
    plain.write_bytes(b"abce")
    with pytest.raises(UserError, match=f"^{plain}: damaged: its SHA-256 is not .*; delete it to have it made again"):
        Toy().load(tmp_path, train=True)
    plain.unlink()
    assert Toy().load(tmp_path, train=True).images.flatten().tolist() == list(b"abcd")


def test_a_directory_that_cannot_be_written_to_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not bind root, so the refusals are made up: no directory inside the root can be created or filled.
    import os
    import tempfile

    pack(tmp_path / "toy")
    make, move = tempfile.mkdtemp, os.replace

    def refuse_directory(*args: object, dir: object = None, **kwargs: object) -> str:
        if dir is not None:
            raise PermissionError("read-only")
        return make()

    def refuse_move(source: Path, target: Path) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse_directory)
    monkeypatch.setattr(os, "replace", refuse_move)
    assert Toy().load(tmp_path, train=True).images.flatten().tolist() == list(b"abcd")
    assert [p.name for p in (tmp_path / "toy" / "deep").iterdir()] == ["plain.gz"]
    assert move is not os.replace


def test_damaged_files_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plain").write_bytes(b"abc")
    with pytest.raises(UserError) as caught:
        Toy().load(tmp_path, train=True)
    assert str(caught.value) == f"toy: {tmp_path}/deep/plain is damaged (not four pixels); delete it and try again"


def test_a_damaged_packed_file_moves_nowhere(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plain.gz").write_bytes(gzip.compress(io.BytesIO(b"abcd" * 99).getvalue())[:-9])
    with pytest.raises(UserError, match=f"cannot unpack what lies in {tmp_path} "):
        Toy().load(tmp_path, train=True)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["plain.gz"]


class SlowToy(Toy):
    """A data set whose download takes a moment, and is counted."""

    downloads = 0

    def download(self, stage: Path, train: bool) -> None:
        type(self).downloads += 1
        time.sleep(0.3)
        super().download(stage, train)


def test_of_several_that_start_at_once_one_downloads_and_the_others_wait(tmp_path: Path) -> None:
    # Threads stand for processes: each opens the lock's file for itself, and to the system that is all the same.
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: SlowToy().load(tmp_path, train=True), range(4)))
    assert [examples.images.flatten().tolist() for examples in found] == [list(b"down")] * 4
    assert SlowToy.downloads == 1
    assert not list(tmp_path.glob(".*"))


def test_where_nothing_can_be_locked_it_is_done_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert Toy().load(tmp_path, train=True).images.flatten().tolist() == list(b"down")


def test_what_killed_processes_left_half_unpacked_goes_and_nothing_else_does(tmp_path: Path) -> None:
    pack(tmp_path / "toy")
    (tmp_path / ".staging-toy-abc").mkdir()
    (tmp_path / ".staging-toy-abc" / "half").write_bytes(b"ab")
    (tmp_path / ".staging-other-abc").mkdir()
    Toy().load(tmp_path, train=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging-other-abc", "toy"]
