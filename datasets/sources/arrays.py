"""Arrays of one's own: `--dataset_name=npz`, a file as `numpy.savez` writes it."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.own import OWN_DATASETS, FileState, OwnSource, check_classes
from datasets.source import LabelledImages
from datasets.transforms import square
from foundations.errors import InvalidValue, UserError

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3)
_ROUNDING = 1e-3  # how far a pixel in [0, 1] may be from a byte's


@OWN_DATASETS.register("npz")
class NpzSource(OwnSource):
    """One .npz file with the arrays x_train, y_train, x_test and y_test.

    Images are bytes, or floats in [0, 1] that were bytes: (N, H, W), (N, H, W, C) or (N, C, H, W) with one or three
    channels. Labels are whole numbers from 0: (N,) or (N, 1).

    Args:
        path: the file.
        image_size: the side that images are brought to; None for as they are.

    Raises:
        InvalidValue: if there is no such file.
        UserError: if it does not hold what it should.
    """

    def __init__(self, path: Path, image_size: int | None) -> None:
        self.where = path
        if path.is_dir():
            raise InvalidValue("dataset_dir", path, "must be the .npz file itself for --dataset_name=npz")
        self._state, self._size = FileState.of(path), image_size
        train, test, self.digest = _read(self._state)
        self.num_train, self.num_test = len(train), len(test)
        self.num_classes = check_classes(path, train.labels, "y_train")
        channels, height, width = train.images.shape[1:]
        side = (height, width) if image_size is None else (image_size, image_size)
        self.image_shape = (channels, *side)

    def load(self, root: Path, train: bool) -> LabelledImages:
        """Return the training or the test examples; the root plays no part."""
        ours, tests, _ = _read(self._state)
        examples = ours if train else tests
        return examples if self._size is None else LabelledImages(square(examples.images, self._size), examples.labels)


@functools.lru_cache(maxsize=2)
def _read(file: FileState) -> tuple[LabelledImages, LabelledImages, str]:
    """Return the training and the test examples, and the digest of the arrays."""
    path, digest = Path(file.path), hashlib.sha256()
    arrays = _arrays(path)
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    train, test = (
        LabelledImages(
            _images(path, f"x_{split}", arrays[f"x_{split}"]), _labels(path, f"y_{split}", arrays[f"y_{split}"])
        )
        for split in ("train", "test")
    )
    for split, examples in (("train", train), ("test", test)):
        if len(examples.images) != len(examples.labels):
            counts = f"{len(examples.images)} images and {len(examples.labels)} labels"
            raise UserError(f"{path}: x_{split} and y_{split} are {counts}; each image has one label")
    if train.images.shape[1:] != test.images.shape[1:]:
        shapes = " and ".join(str(tuple(one.images.shape[1:])) for one in (train, test))
        raise UserError(f"{path}: x_train and x_test hold images of other shapes, (C, H, W) = {shapes}")
    return train, test, digest.hexdigest()


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)  # a pickle could run any code
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise UserError(f"{path}: is no .npz file, which numpy.savez writes")
            if missing := [name for name in _NAMES if name not in file.files]:
                raise UserError(f"{path}: has no {' and no '.join(missing)}; an .npz file needs {', '.join(_NAMES)}")
            return {name: file[name] for name in _NAMES}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as an .npz file ({str(error).splitlines()[0]})") from None


def _images(path: Path, name: str, array: NDArray[np.generic]) -> torch.Tensor:
    """Return images as bytes, (N, C, H, W)."""
    shape = array.shape
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in _CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in _CHANNELS or not array.size:
        raise UserError(
            f"{path}: {name} is {shape}, not images (N, H, W), (N, H, W, C) or (N, C, H, W) of 1 or 3 channels"
        )
    return torch.from_numpy(np.ascontiguousarray(_bytes(path, name, array)))


def _bytes(path: Path, name: str, array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if np.issubdtype(array.dtype, np.floating):
        pixels = array.astype(np.float64) * 255
        nearest = np.rint(pixels)
        if bool((np.abs(pixels - nearest) <= 255 * _ROUNDING).all()) and nearest.min() >= 0 and nearest.max() <= 255:
            return nearest.astype(np.uint8)
        raise UserError(f"{path}: {name} holds floats that are not bytes / 255, so images would not stay what they are")
    raise UserError(f"{path}: {name} is {array.dtype}, not uint8 or floats in [0, 1]")


def _labels(path: Path, name: str, array: NDArray[np.generic]) -> torch.Tensor:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{path}: {name} is {array.dtype} of {array.shape}, not whole numbers (N,)")
    return torch.from_numpy(array.astype(np.int64))
