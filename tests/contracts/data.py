"""Every registered data set in a few images, in its true layout, under one root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image

from datasets import dataset_names, find_source
from tests.datasets.sources import test_arrays, test_cifar, test_folder, test_idx, test_svhn

Writer = Callable[[Path, pytest.MonkeyPatch], tuple[int, int]]
"""(root of data sets, patches of digests and the like) -> the numbers of training and test images."""


def _cifar(name: str) -> Writer:
    def write(root: Path, patches: pytest.MonkeyPatch) -> tuple[int, int]:
        made = test_cifar.write(name, root / name, patches)
        return len(made[True][1]), len(made[False][1])

    return write


def _idx(name: str) -> Writer:
    def write(root: Path, patches: pytest.MonkeyPatch) -> tuple[int, int]:
        made = test_idx.write(root / name / test_idx.FOLDERS[name])
        return len(made[True][1]), len(made[False][1])

    return write


def _svhn(root: Path, patches: pytest.MonkeyPatch) -> tuple[int, int]:
    made = test_svhn.write(root / "svhn", patches)
    return len(made["train"][1]), len(made["test"][1])


def _imagenet(root: Path, patches: pytest.MonkeyPatch) -> tuple[int, int]:
    generator = torch.Generator().manual_seed(0)
    for split, each in (("train", 4), ("val", 2)):
        for label in ("n01", "n02"):
            folder = root / "imagenet" / split / label
            folder.mkdir(parents=True)
            for index in range(each):
                pixels = torch.randint(256, (60, 40 + 9 * index, 3), generator=generator).to(torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{index}.png")
    return 8, 4


def _nothing(root: Path, patches: pytest.MonkeyPatch) -> tuple[int, int]:
    """Digits comes with scikit-learn and is small as it is."""
    return 1437, 360


WRITERS: Mapping[str, Writer] = {
    "cifar10": _cifar("cifar10"),
    "cifar100": _cifar("cifar100"),
    "digits": _nothing,
    "fashion_mnist": _idx("fashion_mnist"),
    "imagenet": _imagenet,
    "mnist": _idx("mnist"),
    "svhn": _svhn,
}


def write_data_sets(root: Path, patches: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Write all data sets, let their sources expect so few images, and return how many there are."""
    # A plugin's data set is taken as it is.
    counts = {name: (source.num_train, source.num_test) for name in dataset_names() for source in [find_source(name)]}
    test_arrays.write(root / "own.npz")
    test_folder.write(root / "own")
    for name, write in WRITERS.items():
        counts[name] = write(root, patches)
        source = type(find_source(name))
        for attribute, count in zip(("num_train", "num_test"), counts[name], strict=True):
            patches.setattr(source, attribute, count)
    return counts
