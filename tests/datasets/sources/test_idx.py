"""MNIST and Fashion-MNIST, from files that the test writes in their true format, and from Debian's package."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
import torch

from datasets.source import DATASETS, DatasetSource
from datasets.sources.idx import IdxSource
from foundations.errors import UserError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FOLDERS = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}


def idx(values: torch.Tensor) -> bytes:
    header = struct.pack(">HBB", 0, 8, values.dim()) + b"".join(struct.pack(">I", side) for side in values.shape)
    return header + values.to(torch.uint8).numpy().tobytes()


def write(raw: Path, packed: bool = True) -> dict[bool, tuple[torch.Tensor, torch.Tensor]]:
    raw.mkdir(parents=True)
    made = {}
    for train, name, count in ((True, "train", 12), (False, "t10k", 5)):
        generator = torch.Generator().manual_seed(count)
        images = torch.randint(256, (count, 28, 28), generator=generator).to(torch.uint8)
        made[train] = images, torch.arange(count) % 10
        for kind, values in zip(("images-idx3", "labels-idx1"), made[train], strict=True):
            path = raw / f"{name}-{kind}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(values)) if packed else idx(values))
    return made


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IdxSource, "download", lambda *_: pytest.fail("a download was tried"))


def source(name: str) -> DatasetSource:
    return DATASETS.get(name)()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("name", FOLDERS)
def test_files_are_read_from_either_place(name: str, nested: bool, packed: bool, tmp_path: Path) -> None:
    made = write(tmp_path / (name if nested else "") / FOLDERS[name], packed)
    for train in (True, False):
        loaded = source(name).load(tmp_path, train)
        assert torch.equal(loaded.images, made[train][0][:, None]) and loaded.images.dtype == torch.uint8
        assert torch.equal(loaded.labels, made[train][1]) and loaded.labels.dtype == torch.int64


def test_some_files_may_be_unpacked_already(tmp_path: Path) -> None:
    made = write(tmp_path / "MNIST/raw")
    packed = tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert torch.equal(source("mnist").load(tmp_path, True).images[:, 0], made[True][0])


def test_a_damaged_file_is_not_taken_over_while_another_is_unpacked(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw")
    source("mnist").load(tmp_path, True)
    images, labels = (tmp_path / f"MNIST/raw/train-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    images.write_bytes(images.read_bytes()[:-1] + b"?")
    labels.unlink()
    with pytest.raises(UserError, match=f"^{images}: damaged"):
        source("mnist").load(tmp_path, True)


def test_what_older_torchvisions_kept_as_pickles_is_left_alone(tmp_path: Path) -> None:
    made = write(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/processed").mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(12, 28, 28), torch.zeros(12)), tmp_path / "MNIST/processed" / name)
    assert torch.equal(source("mnist").load(tmp_path, True).images[:, 0], made[True][0])


@pytest.mark.parametrize("keep", [0, 2, 40, -1])
@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_file_is_named(packed: bool, keep: int, tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", packed)
    path = tmp_path / f"MNIST/raw/train-images-idx3-ubyte{'.gz' if packed else ''}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError) as caught:
        source("mnist").load(tmp_path, True)
    assert f"{path} is damaged" in str(caught.value) and "\n" not in str(caught.value)
    assert "labels" not in str(caught.value)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_package_is_the_whole_of_fashion_mnist(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in DEBIAN.glob("*.gz"):
        (raw / file.name).symlink_to(file)
    train, test = (source("fashion_mnist").load(tmp_path, split) for split in (True, False))
    assert train.images.shape == (60000, 1, 28, 28) and test.images.shape == (10000, 1, 28, 28)
    assert torch.equal(train.labels.bincount(), torch.full((10,), 6000))
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]
    pixels = train.images.float() / 255
    assert abs(float(pixels.mean()) - 0.2860) < 1e-3 and abs(float(pixels.std()) - 0.3530) < 1e-3


def test_missing_files_are_asked_for_in_the_folder_that_the_readme_names(tmp_path: Path, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr(IdxSource, "download", fail)
    with pytest.raises(UserError) as caught:
        source("fashion_mnist").load(tmp_path, True)
    assert f" into {tmp_path}/FashionMNIST/raw (Debian" in str(caught.value)
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert "`~/open_lth_datasets/FashionMNIST/raw`" in readme
