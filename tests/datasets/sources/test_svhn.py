"""SVHN's true format; torchvision checks digests here too, so the tests put their own files' into its table."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import SVHN

from datasets.sources.svhn import Svhn
from foundations.errors import UserError

scipy_io = pytest.importorskip("scipy.io", reason="SVHN's files are Matlab's, which takes scipy")


def write(place: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    place.mkdir(parents=True, exist_ok=True)
    random, table, made = np.random.RandomState(0), dict(SVHN.split_list), {}
    for split, count in (("train", 7), ("test", 4)):
        images = random.randint(256, size=(32, 32, 3, count)).astype(np.uint8)
        labels = random.permutation(10)[:count] + 1
        made[split] = images, labels
        path = place / f"{split}_32x32.mat"
        scipy_io.savemat(path, {"X": images, "y": labels[:, None].astype(np.uint8)})
        table[split] = [*table[split][:2], hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", table)
    monkeypatch.setattr(Svhn, "download", lambda *_: pytest.fail("a download was tried"))
    return made


@pytest.mark.parametrize("nested", [True, False])
def test_files_are_read(nested: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write(tmp_path / ("svhn" if nested else ""), monkeypatch)
    for split, (images, labels) in made.items():
        loaded = Svhn().load(tmp_path, split == "train")
        assert torch.equal(loaded.images, torch.from_numpy(images).permute(3, 2, 0, 1))
        assert loaded.labels.tolist() == (labels % 10).tolist() and loaded.labels.dtype == torch.int64


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(UserError, match=f"{path} is damaged"):
        Svhn().load(tmp_path, True)
    assert len(Svhn().load(tmp_path, False)) == 4
