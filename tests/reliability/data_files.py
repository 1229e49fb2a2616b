"""Small data sets in the true formats of their files, whose digests take the place of the published ones."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import CIFAR10, SVHN

IDX = {
    "train-images-idx3": (4, 28, 28),
    "train-labels-idx1": (4,),
    "t10k-images-idx3": (3, 28, 28),
    "t10k-labels-idx1": (3,),
}
CIFAR_FOLDER = CIFAR10.base_folder


def md5(path: Path) -> str:
    """Return the digest by which torchvision knows a file."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_mnist(root: Path, packed: bool) -> Path:
    """Write MNIST's four files and return the directory in which they lie."""
    raw, random = root / "mnist" / "MNIST" / "raw", np.random.RandomState(0)
    raw.mkdir(parents=True)
    for name, shape in IDX.items():
        values = random.randint(10, size=shape).astype(np.uint8)
        content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + values.tobytes()
        if packed:
            (raw / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (raw / f"{name}-ubyte").write_bytes(content)
    return raw


def write_cifar(root: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write CIFAR-10's batches and return the directory in which they lie."""
    folder, random = root / "cifar10" / CIFAR_FOLDER, np.random.RandomState(0)
    folder.mkdir(parents=True)
    for table in ("train_list", "test_list"):
        known = []
        for name, _ in getattr(CIFAR10, table):
            batch = {"data": random.randint(256, size=(2, 3072)).astype(np.uint8), "labels": [0, 1]}
            # As NumPy did when the published files were made: booleans in a type's description are 0 and 1.
            (folder / name).write_bytes(pickle.dumps(batch, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87"))
            known.append([name, md5(folder / name)])
        patch.setattr(CIFAR10, table, known)
    meta = folder / CIFAR10.meta["filename"]
    meta.write_bytes(pickle.dumps({"label_names": ["a", "b"]}, protocol=2))
    patch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(meta)})
    return folder


def pack_cifar(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put the batches into the archive that holds them, and return it."""
    archive = folder.parent / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    for path in list(folder.iterdir()):
        path.unlink()
    folder.rmdir()
    patch.setattr(CIFAR10, "tgz_md5", md5(archive))
    return archive


def write_svhn(root: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write SVHN's file of training images and return it."""
    path, random = root / "svhn" / "train_32x32.mat", np.random.RandomState(0)
    path.parent.mkdir(parents=True)
    labels = np.array([[1], [10], [3]], dtype=np.uint8)
    savemat(path, {"X": random.randint(256, size=(32, 32, 3, 3)).astype(np.uint8), "y": labels})
    patch.setattr(SVHN, "split_list", {**SVHN.split_list, "train": [*SVHN.split_list["train"][:2], md5(path)]})
    return path
