"""CIFAR-10-C in its published layout, in few images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.cifar_c import corruptions_there, load_cifar_c
from foundations.errors import UserError

COUNT = 17


def write(folder: Path, corruptions: tuple[str, ...] = ("fog", "snow"), count: int = COUNT) -> dict[str, np.ndarray]:
    """Write images and labels, all severities of a corruption in one file, and return them by file."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(0)
    made = {name: random.randint(256, size=(5 * count, 32, 32, 3)).astype(np.uint8) for name in corruptions}
    made["labels"] = np.tile(random.randint(10, size=count), 5).astype(np.uint8)
    for name, array in made.items():
        np.save(folder / f"{name}.npy", array)
    return made


@pytest.mark.parametrize("place", ["cifar10_c/CIFAR-10-C", "CIFAR-10-C"])
def test_each_severity_is_a_fifth_of_a_file(place, tmp_path):
    made = write(tmp_path / place)
    assert corruptions_there("cifar10_c", tmp_path) == ["fog", "snow"]
    for severity in range(1, 6):
        rows = slice(COUNT * (severity - 1), COUNT * severity)
        found = load_cifar_c("cifar10_c", "snow", severity, tmp_path, COUNT)
        assert found.images.equal(torch.from_numpy(made["snow"][rows]).permute(0, 3, 1, 2))
        assert found.images.dtype == torch.uint8 and found.labels.dtype == torch.int64
        assert found.labels.tolist() == made["labels"][:COUNT].tolist()


def test_cifar_100_c_has_a_folder_of_its_own(tmp_path):
    write(tmp_path / "CIFAR-100-C", ("blur",))
    assert corruptions_there("cifar100_c", tmp_path) == ["blur"]
    with pytest.raises(UserError, match=r"--shift=cifar10_c: there are no files .*unpack CIFAR-10-C\.tar there"):
        corruptions_there("cifar10_c", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"no array at all"])
def test_a_damaged_file_is_named(content, tmp_path):
    write(tmp_path / "CIFAR-10-C")
    (tmp_path / "CIFAR-10-C" / "fog.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"fog\.npy: cannot be read") as caught:
        load_cifar_c("cifar10_c", "fog", 1, tmp_path, COUNT)
    assert "\n" not in str(caught.value)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    write(tmp_path / "CIFAR-10-C")
    np.save(tmp_path / "CIFAR-10-C" / "fog.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"fog\.npy: cannot be read"):
        load_cifar_c("cifar10_c", "fog", 1, tmp_path, COUNT)


def test_a_file_of_another_shape_or_type_is_refused(tmp_path):
    write(tmp_path / "CIFAR-10-C", count=16)
    with pytest.raises(UserError, match=r"fog\.npy: holds uint8 \(80, .*\), not whole numbers \(85, 32, 32, 3\)"):
        load_cifar_c("cifar10_c", "fog", 1, tmp_path, COUNT)
    np.save(tmp_path / "CIFAR-10-C" / "fog.npy", np.zeros((85, 32, 32, 3), dtype=np.float32))
    with pytest.raises(UserError, match=r"fog\.npy: holds float32"):
        load_cifar_c("cifar10_c", "fog", 1, tmp_path, COUNT)
