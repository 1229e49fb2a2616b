"""CIFAR-10-C and CIFAR-100-C: the test images under corruptions, as their authors publish them.

The files are those of Hendrycks and Dietterich (2019), https://zenodo.org/records/2535967 and 3555552: NumPy arrays of
50,000 images, 10,000 for each severity in turn, and one of their labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from datasets.corruptions import SEVERITIES
from datasets.source import LabelledImages
from foundations.errors import UserError

FOLDERS = {"cifar10_c": "CIFAR-10-C", "cifar100_c": "CIFAR-100-C"}
"""By name on the command line: the folder that the published archive holds."""

DATA_SETS = {"cifar10_c": "cifar10", "cifar100_c": "cifar100"}
"""Whose test images they are."""

_LABELS = "labels"


def corruptions_there(name: str, root: Path) -> list[str]:
    """Return the corruptions whose files are there, in alphabetical order.

    Args:
        name: `cifar10_c` or `cifar100_c`.
        root: the directory in which data sets lie; the folder is in it or in one of the name.

    Raises:
        UserError: if there are none.
    """
    return sorted(path.stem for path in _folder(name, root).glob("*.npy") if path.stem != _LABELS)


def load_cifar_c(name: str, corruption: str, severity: int, root: Path, count: int) -> LabelledImages:
    """Return the test images under a corruption, in the order of the test images themselves.

    Args:
        count: how many test images there are.

    Raises:
        UserError: if a file is missing, damaged or not of the published shape.
    """
    folder = _folder(name, root)
    rows = slice(count * (severity - 1), count * severity)
    images = _rows(folder / f"{corruption}.npy", rows, (count * len(SEVERITIES), 32, 32, 3))
    labels = _rows(folder / f"{_LABELS}.npy", rows, (count * len(SEVERITIES),))
    return LabelledImages(
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels.astype(np.int64))
    )


def _folder(name: str, root: Path) -> Path:
    places = (root / name / FOLDERS[name], root / FOLDERS[name])
    found = [place for place in places if any(place.glob("*.npy"))]
    if not found:
        raise UserError(f"--shift={name}: there are no files {places[0]}/*.npy; unpack {FOLDERS[name]}.tar there")
    return found[0]


def _rows(path: Path, rows: slice, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # which never unpickles
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None
    if array.shape != shape or array.dtype.kind not in "ui":
        raise UserError(f"{path}: holds {array.dtype} {array.shape}, not whole numbers {shape}")
    return np.array(array[rows])
