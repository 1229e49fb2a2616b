"""The hyperparameters of the data."""

from __future__ import annotations

import functools
import math
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any, ClassVar

from datasets.own import OwnSource, open_source
from datasets.source import Source
from foundations.errors import InvalidValue, one_of
from foundations.hparams import Hparams, hparam

UNSUPERVISED_LABELS = ("rotation",)
_LARGEST = 4096


def portion(count: int, fraction: float | None) -> int:
    """Return how many of `count` examples a fraction is: rounded up; all of them for None."""
    return count if fraction is None else math.ceil(count * fraction)


@dataclass(frozen=True, kw_only=True)
class DatasetHparams(Hparams):
    """Which data, in which batches, changed in which way.

    Raises:
        InvalidValue: if a value is none of its flag's; the message names the flag and what is valid.
    """

    title: ClassVar[str] = "Dataset Hyperparameters"
    about: ClassVar[str] = "Which data a network is trained and tested on, and how they are changed."

    dataset_name: str = hparam("the data set")
    batch_size: int = hparam("the number of training examples in a batch")
    do_not_augment: bool = hparam("neither mirror nor crop training images at random", False)
    transformation_seed: int | None = hparam(
        "fixes augmentation for all replicates, and seeds subsampling, random labels and rotations (else 0)", None
    )
    subsample_fraction: float | None = hparam("the fraction of the training examples that is used", None)
    random_labels_fraction: float | None = hparam("the fraction of the training examples with random labels", None)
    unsupervised_labels: str | None = hparam(
        "replace the labels: rotation turns each image by a multiple of 90 degrees, which is to be recognised", None
    )
    blur_factor: int | None = hparam("shrink the training images by this factor and enlarge them again", None)
    validation_fraction: float | None = hparam(
        "the fraction of the training examples that is held out, to be measured as the test examples are", None
    )
    dataset_dir: str | None = hparam(
        "your own data, by whose content experiments are named: with --dataset_name=folder one with train/CLASS "
        "and test/CLASS, with npz a file with x_train, y_train, x_test, y_test",
        None,
    )
    image_size: int | None = hparam("bring images to squares of so many pixels a side", None)

    def __post_init__(self) -> None:
        if self.dataset_dir is not None:  # another working directory must not lead elsewhere
            object.__setattr__(self, "dataset_dir", str(Path(self.dataset_dir).expanduser().absolute()))
        if self.image_size is not None and not 1 <= self.image_size <= _LARGEST:
            raise InvalidValue("image_size", self.image_size, f"must be between 1 and {_LARGEST}")
        num_train = self.source.num_train
        if self.batch_size < 1:
            raise InvalidValue("batch_size", self.batch_size, "must be at least 1")
        if self.transformation_seed is not None and not 0 <= self.transformation_seed < 2**32 - 1:
            raise InvalidValue("transformation_seed", self.transformation_seed, "must be between 0 and 4294967294")
        if self.subsample_fraction is not None and not 0 < self.subsample_fraction <= 1:
            raise InvalidValue("subsample_fraction", self.subsample_fraction, "must be above 0 and at most 1")
        if self.random_labels_fraction is not None and not 0 <= self.random_labels_fraction <= 1:
            raise InvalidValue("random_labels_fraction", self.random_labels_fraction, "must be between 0 and 1")
        if self.unsupervised_labels is not None and self.unsupervised_labels not in UNSUPERVISED_LABELS:
            raise InvalidValue("unsupervised_labels", self.unsupervised_labels, one_of(UNSUPERVISED_LABELS))
        if self.blur_factor is not None and self.blur_factor < 1:
            raise InvalidValue("blur_factor", self.blur_factor, "must be at least 1")
        if self.validation_fraction is not None:
            if not 0 < self.validation_fraction < 1:
                raise InvalidValue("validation_fraction", self.validation_fraction, "must be above 0 and below 1")
            if portion(num_train, self.validation_fraction) == num_train:
                raise InvalidValue("validation_fraction", self.validation_fraction, "leaves nothing to train on")

    @functools.cached_property
    def source(self) -> Source:
        """The data set, of which facts are known without loading it."""
        return open_source(self.dataset_name, self.dataset_dir, self.image_size)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images, before they are fitted to a network."""
        channels, height, width = self.source.image_shape
        side = self.image_size
        return (channels, height, width) if side is None else (channels, side, side)

    def _text(self, f: Field[Any]) -> str:
        """Return a field as it enters the hash: one's own data by their content, wherever they lie."""
        if f.name == "dataset_dir" and isinstance(self.source, OwnSource):
            return f"'{self.source.digest}'"
        return super()._text(f)

    @property
    def augment(self) -> bool:
        """Whether training images are augmented."""
        return not self.do_not_augment

    @property
    def rotations(self) -> bool:
        """Whether the task is to recognise rotations."""
        return self.unsupervised_labels == "rotation"
