"""scikit-learn's handwritten digits, 8x8, which come with it: nothing is downloaded."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.source import DATASETS, DatasetSource, LabelledImages
from foundations.errors import UserError

IntArray = NDArray[np.int64]

_ONE_IN = 5  # examples are for testing
_WHITE = 16  # the brightest value in scikit-learn's images


@DATASETS.register("digits")
class Digits(DatasetSource):
    """1797 images, split once and for all into 1437 for training and 360 for testing.

    The split: all examples are shuffled by `numpy.random.RandomState(0)` and then sorted by class, stably; of that
    list every fifth, beginning with the first, is for testing. So each class is split one to four, up to one example.
    """

    num_classes = 10
    num_train = 1437
    num_test = 360
    image_shape = (1, 8, 8)
    mean = (0.3054,)
    std = (0.3758,)
    flip = False
    crop_padding = 0

    def load(self, root: Path, train: bool) -> LabelledImages:
        """Return the training or the test examples; the root plays no part.

        Raises:
            UserError: if scikit-learn is not installed.
        """
        images, labels = _read()
        chosen = split(labels, train)
        return LabelledImages(torch.from_numpy(images[chosen])[:, None], torch.from_numpy(labels[chosen]))


@functools.cache
def _read() -> tuple[NDArray[np.uint8], IntArray]:
    """Return all images (1797, 8, 8) and labels (1797,): a text file, and so slow to read, for every level's run."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise UserError("digits: needs scikit-learn (pip install scikit-learn)") from None

    bunch = load_digits()
    return np.rint(bunch.images * (255 / _WHITE)).astype(np.uint8), bunch.target.astype(np.int64)


def split(labels: IntArray, train: bool) -> IntArray:
    """Return the indices of the training or the test examples.

    Args:
        labels: int64, (N,), of all examples.
    """
    shuffled = np.random.RandomState(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    testing = np.arange(len(labels)) % _ONE_IN == 0
    return np.asarray(by_class[~testing] if train else by_class[testing])
