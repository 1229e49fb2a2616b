"""Data sets of one's own: registered by what their files look like, and known by looking at them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from datasets.source import STREAMED_DATASETS, DatasetSource, Source, dataset_names, find_source
from foundations.errors import InvalidValue, UserError, one_of
from foundations.registry import Registry

_LEVELS = 256  # of a byte


class OwnSource(DatasetSource):
    """A data set whose facts are found in its files, normalised by the statistics of its own training images.

    Nothing is known of its images that would allow to mirror or to crop them at random, so they are not augmented.
    A subclass is registered by `@OWN_DATASETS.register("name")`, takes a path and the side to bring images to (None
    for as they are), and sets the numbers and the shape that `Source` has.

    Attributes:
        where: the path, for messages.
        digest: of the whole content, wherever it lies, in hexadecimal. Experiments are named after it.
    """

    flip = False
    crop_padding = 0
    where: Path
    digest: str

    @property
    def mean(self) -> tuple[float, ...]:  # type: ignore[override]
        """Mean of each channel over the training images, for pixels in [0, 1]."""
        return self._statistics[0]

    @property
    def std(self) -> tuple[float, ...]:  # type: ignore[override]
        """Standard deviation of each channel over the training images, for pixels in [0, 1]."""
        return self._statistics[1]

    @functools.cached_property
    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, std = channel_statistics(self.load(Path(), train=True).images)
        if min(std) == 0:
            raise UserError(f"{self.where}: the training images are all of one colour")
        return mean, std


OWN_DATASETS: Registry[Callable[[Path, int | None], OwnSource]] = Registry("dataset_name")


def chosen_names() -> list[str]:
    """Return what `--dataset_name` can be: data sets that are known by name alone, and kinds of one's own."""
    return [*dataset_names(), *OWN_DATASETS.names()]


def open_source(name: str, directory: str | None, image_size: int | None) -> Source:
    """Return the data set of a name.

    Args:
        directory: where it lies, for one of one's own.
        image_size: the side its images are brought to; None for as they are.

    Raises:
        InvalidValue: if there is no such data set.
        UserError: if one of one's own is not what it should be.
    """
    if name not in chosen_names():
        raise InvalidValue("dataset_name", name, one_of(chosen_names(), name))
    if name in OWN_DATASETS:
        if directory is None:
            raise InvalidValue("dataset_dir", None, f"must say where the data of --dataset_name={name} lie")
        return OWN_DATASETS.get(name)(Path(directory), image_size)
    if directory is not None:
        own = " or ".join(OWN_DATASETS.names())
        raise InvalidValue("dataset_dir", directory, f"goes with --dataset_name={own}, not with {name}")
    if name in STREAMED_DATASETS and image_size is not None:
        raise InvalidValue("image_size", image_size, f"images of {name} stream from the disk, and keep their size")
    return find_source(name)


class FileState(NamedTuple):
    """What tells whether a file is still the one that was read before in this process."""

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path | str) -> FileState:
        """Return a file's state.

        Raises:
            InvalidValue: if it cannot be looked at.
        """
        try:
            state = Path(path).stat()
        except OSError as error:
            raise InvalidValue("dataset_dir", path, f"cannot be read ({error.strerror})") from None
        return cls(str(path), state.st_size, state.st_mtime_ns)


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, for pixels in [0, 1], from how often each byte occurs.

    Args:
        images: uint8, (N, C, H, W).
    """
    values = torch.arange(_LEVELS, dtype=torch.float64) / (_LEVELS - 1)
    means, stds = [], []
    for channel in images.unbind(1):
        shares = torch.bincount(channel.flatten().int(), minlength=_LEVELS).double() / channel.numel()
        mean = (shares * values).sum()
        means.append(float(mean))
        stds.append(float((shares * (values - mean).square()).sum().sqrt()))
    return tuple(means), tuple(stds)


def check_classes(where: Path, labels: Tensor, split: str) -> int:
    """Return the number of classes that training labels (int64, N) have.

    Raises:
        UserError: if there are fewer than two, or they are not numbered from 0 without gaps.
    """
    classes = labels.unique()
    if len(classes) < 2:
        raise UserError(f"{where}: {split} holds one class alone; a classifier needs at least two")
    if not torch.equal(classes, torch.arange(len(classes))):
        raise UserError(f"{where}: {split} must number the classes 0, 1, 2, ... without gaps, not {_some(classes)}")
    return len(classes)


def _some(classes: Tensor) -> str:
    return ", ".join(map(str, classes[:5].tolist())) + (", ..." if len(classes) > 5 else "")
