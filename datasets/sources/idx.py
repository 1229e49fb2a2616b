"""MNIST's file format, which other data sets share."""

from __future__ import annotations

import gzip
import shutil
import zlib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from datasets.source import LabelledImages
from datasets.torchvision_files import TorchvisionSource
from foundations.checksum import open_checked
from foundations.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class IdxSource(TorchvisionSource):
    """Four files under `<folder>/raw`, each as it is or gzipped.

    A gzipped file need not be torchvision's own (Debian packs the same data anew): gzip's checksum is checked
    instead of its digest. What torchvision downloads is checked against its digests.

    Attributes:
        folder: the name of torchvision's class.
    """

    folder: ClassVar[str]
    num_classes = 10
    num_train = 60000
    num_test = 10000
    image_shape = (1, 28, 28)
    flip = False
    crop_padding = 0

    @abstractmethod
    def torchvision_class(self) -> type[MNIST]:
        """Return torchvision's class."""

    def files(self, train: bool) -> list[str]:
        """Return all four files: they come together."""
        return [f"{self.folder}/raw/{name}" for name in _FILES]

    def wanted(self, train: bool) -> list[str]:
        """Return the four gzipped files."""
        return [f"{file}.gz" for file in self.files(train)]

    def read(self, place: Path, train: bool) -> LabelledImages:
        """Read two of the files; torchvision's class would prefer a pickle of older days if it found one."""
        from torchvision.datasets.mnist import read_image_file, read_label_file

        train_images, train_labels, test_images, test_labels = (str(place / file) for file in self.files(train))
        images, labels = (train_images, train_labels) if train else (test_images, test_labels)
        return LabelledImages(read_image_file(images)[:, None], read_label_file(labels))

    def sound(self, path: Path) -> bool:
        """Return whether the header fits the file's length."""
        from torchvision.datasets.mnist import read_image_file, read_label_file

        (read_image_file if "images" in path.name else read_label_file)(str(path))
        return True

    def unpack(self, place: Path, stage: Path) -> None:
        """Bring each file that is there, gzipped or not."""
        for file in self.files(train=True):
            plain, packed, target = place / file, place / f"{file}.gz", stage / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if plain.is_file():
                with open_checked(plain)[0] as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
            elif packed.is_file():
                _gunzip(packed, target)

    def download(self, stage: Path, train: bool) -> None:
        """Let torchvision download and unpack all four files."""
        self.torchvision_class()(str(stage), train=train, download=True)


def _gunzip(packed: Path, target: Path) -> None:
    try:
        with gzip.open(packed) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{packed} is damaged ({error}); delete it and try again") from None
