"""Image files of one's own: `--dataset_name=folder`, a directory of images for each class."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from datasets.own import OWN_DATASETS, FileState, OwnSource, check_classes
from datasets.source import LabelledImages
from foundations.errors import InvalidValue, UserError

Shape = tuple[int, int, int]

_TEST = ("test", "val")
_GREY, _COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # Pillow's modes, of bytes
_UNREADABLE = (OSError, SyntaxError, ValueError)  # what Pillow raises


@dataclass(frozen=True)
class _Split:
    directory: Path
    files: tuple[FileState, ...]
    labels: torch.Tensor
    classes: tuple[str, ...]


@OWN_DATASETS.register("folder")
class FolderSource(OwnSource):
    """Directories train/CLASS and test/CLASS (or val/CLASS) of image files, in torchvision's ImageFolder layout.

    Classes are numbered in the order of their names. Images are grey if all of them are, else RGB.

    Args:
        path: the directory that holds `train` and `test`.
        image_size: the side of the square that is cut out of each image's centre; None for images as they are, which
            must then be of one size.

    Raises:
        InvalidValue: if there is no such directory, or images differ in size and none is given.
        UserError: if it does not hold what it should.
    """

    def __init__(self, path: Path, image_size: int | None) -> None:
        self.where = path
        if not path.is_dir():
            raise InvalidValue("dataset_dir", path, "is no directory, which --dataset_name=folder needs")
        self._train, self._test = _split(path, ("train",)), _split(path, _TEST)
        self.num_train, self.num_test = len(self._train.files), len(self._test.files)
        self.num_classes = check_classes(path, self._train.labels, "train")
        if unknown := sorted({*self._test.classes} - {*self._train.classes}):
            raise UserError(f"{self._test.directory}: class {unknown[0]} is not among those of {self._train.directory}")
        self.image_shape = _shape((*self._train.files, *self._test.files), image_size)

    @functools.cached_property
    def digest(self) -> str:  # type: ignore[override]
        """Of the names of splits, classes and files, and of what is in them."""
        return _digest(tuple((file, split.directory) for split in (self._train, self._test) for file in split.files))

    def load(self, root: Path, train: bool) -> LabelledImages:
        """Return the training or the test examples; the root plays no part.

        Raises:
            UserError: if a file cannot be read as an image.
        """
        split = self._train if train else self._test
        numbers = torch.tensor([self._train.classes.index(name) for name in split.classes])
        return LabelledImages(_pixels(split.files, self.image_shape), numbers[split.labels])


def _split(path: Path, names: Sequence[str]) -> _Split:
    from torchvision.datasets import ImageFolder

    directory = next((path / name for name in names if (path / name).is_dir()), None)
    if directory is None:
        layout = f"{path}/train/CLASS and {path}/test/CLASS"
        raise UserError(f"{path}: has no {' or '.join(names)}; images go into {layout}")
    try:
        found = ImageFolder(str(directory))
    except FileNotFoundError as error:
        raise UserError(f"{directory}: does not hold a directory of images for each class ({error})") from None
    files = tuple(FileState.of(file) for file, _ in found.samples)
    return _Split(directory, files, torch.tensor([label for _, label in found.samples]), tuple(found.classes))


@functools.lru_cache(maxsize=4)
def _shape(files: tuple[FileState, ...], image_size: int | None) -> Shape:
    """Return (C, H, W) of images, from the heads of their files."""
    from PIL import Image

    channels, first = 1, None
    for file in files:
        try:
            with Image.open(file.path) as image:
                if image.mode not in (*_GREY, *_COLOUR):
                    raise UserError(f"{file.path}: has pixels of type {image.mode}, not bytes")
                channels = 3 if image.mode in _COLOUR else channels
                first = first or (file.path, image.size)
                if image_size is None and image.size != first[1]:
                    sizes = f"{file.path} has {_by(image.size)} pixels and {first[0]} {_by(first[1])}"
                    raise InvalidValue("image_size", None, f"must be given where images differ: {sizes}")
        except _UNREADABLE as error:
            raise _unreadable(file.path, error) from None
    assert first is not None
    width, height = first[1]
    return (channels, height, width) if image_size is None else (channels, image_size, image_size)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _unreadable(path: str, error: BaseException) -> UserError:
    return UserError(f"{path}: cannot be read as an image ({str(error).splitlines()[0]})")


@functools.lru_cache(maxsize=4)
def _digest(files: tuple[tuple[FileState, Path], ...]) -> str:
    """Return the digest of files with what they are called in the directory of their split, training first."""
    digest = hashlib.sha256()
    for file, directory in files:
        content = hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
        split = "train" if directory.name == "train" else "test"
        name = Path(file.path).relative_to(directory).as_posix()
        digest.update(f"{split}/{name} {content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@functools.lru_cache(maxsize=2)
def _pixels(files: tuple[FileState, ...], shape: Shape) -> torch.Tensor:
    """Return the images of files, uint8 (N, C, H, W); they stay in memory, for every level's run."""
    import PIL.Image
    import PIL.ImageOps

    channels, height, width = shape
    found = np.empty((len(files), height, width, channels), dtype=np.uint8)
    for number, file in enumerate(files):
        try:
            with PIL.Image.open(file.path) as opened:
                image: PIL.Image.Image = opened.convert("L" if channels == 1 else "RGB")
        except _UNREADABLE as error:
            raise _unreadable(file.path, error) from None
        if image.size != (width, height):
            image = PIL.ImageOps.fit(image, (width, height), PIL.Image.Resampling.BILINEAR)
        found[number] = np.asarray(image).reshape(height, width, channels)
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()
