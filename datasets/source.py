"""Data sets, by name: what each is to the rest of the project, a few facts known in advance and a way to its images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch

from foundations.errors import InvalidValue, UserError, one_of
from foundations.registry import Registry


@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels, in memory.

    Args:
        images: uint8, (N, C, H, W).
        labels: int64, (N,).
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: torch.Tensor) -> LabelledImages:
        """Return the examples of some indices (int64), in their order."""
        return LabelledImages(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> LabelledImages:
        """Return the examples on a device."""
        return LabelledImages(self.images.to(device), self.labels.to(device))


class Source(ABC):
    """The facts about a data set that are known without reading it.

    Attributes:
        num_classes: the number of classes.
        num_train: the number of training examples.
        num_test: the number of test examples.
        image_shape: (C, H, W) of its images.
        mean: mean of each channel, for pixels in [0, 1].
        std: standard deviation of each channel, for pixels in [0, 1].
        flip: whether augmentation mirrors images (a mirrored digit is no digit).
        crop_padding: pixels of black border from which augmentation crops at random; 0 for no cropping.
    """

    num_classes: int
    num_train: int
    num_test: int
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    crop_padding: int

    def count(self, train: bool) -> int:
        """Return the number of training or test examples."""
        return self.num_train if train else self.num_test


class DatasetSource(Source):
    """A data set that fits in memory: the extension point for new data sets.

    A subclass states the facts, implements `load`, and is registered by one line,
    `@DATASETS.register("name")`; then `--dataset_name=name` works everywhere.
    """

    @abstractmethod
    def load(self, root: Path, train: bool) -> LabelledImages:
        """Return the training or the test examples.

        Args:
            root: the directory in which data sets lie.
            train: whether the training examples are wanted.

        Raises:
            UserError: if the files are not there and cannot be had, or are damaged.
        """


class StreamedSource(Source):
    """A data set too big for memory: a folder of image files for each class, decoded by worker processes."""

    @abstractmethod
    def folder(self, root: Path, train: bool) -> Path:
        """Return the directory that holds one folder of images for each class.

        Raises:
            UserError: if it is not there.
        """


DATASETS: Registry[type[DatasetSource]] = Registry("dataset_name")
STREAMED_DATASETS: Registry[type[StreamedSource]] = Registry("dataset_name")


def dataset_names() -> list[str]:
    """Return the names of all data sets that are known by name alone, in memory and streamed."""
    return [*DATASETS.names(), *STREAMED_DATASETS.names()]


def find_source(name: str) -> Source:
    """Return a data set that is known by its name alone.

    Raises:
        InvalidValue: if there is none; the message lists the valid names.
    """
    if name in DATASETS:
        return DATASETS.get(name)()
    if name in STREAMED_DATASETS:
        return STREAMED_DATASETS.get(name)()
    raise InvalidValue("dataset_name", name, one_of(dataset_names(), name))


def checked(name: str, source: Source, examples: LabelledImages, train: bool) -> LabelledImages:
    """Return the examples if they are what the source's facts promise.

    Raises:
        UserError: if their number, shape, types or labels differ; something else lies in the data set's place then.
    """
    images, labels = examples.images, examples.labels
    split = "training" if train else "test"
    count, shape = source.count(train), tuple(images.shape[1:])
    if len(images) != count or len(labels) != count:
        raise UserError(f"{name}: {len(images)} {split} images and {len(labels)} labels found, not {count} of each")
    if shape != source.image_shape or images.dtype != torch.uint8 or labels.dtype != torch.int64:
        raise UserError(f"{name}: the {split} images are {images.dtype} {shape}, not uint8 {source.image_shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= source.num_classes:
        raise UserError(f"{name}: the {split} labels lie outside 0..{source.num_classes - 1}")
    return examples
