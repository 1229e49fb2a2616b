"""MNIST and Fashion-MNIST, 28x28, which share a file format."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from datasets.source import DATASETS, LabelledImages
from datasets.torchvision_files import TorchvisionSource
from foundations.checksum import open_checked
from foundations.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class IdxSource(TorchvisionSource):
    """Four files under `<torchvision_name>/raw`, each as it is or gzipped.

    A gzipped file need not be torchvision's own (Debian packs the same data anew): gzip's checksum is checked
    instead of its digest. What torchvision downloads is checked against its digests.

    Attributes:
        torchvision_name: the name of torchvision's class, and of the folder.
    """

    torchvision_name: ClassVar[str]
    num_classes = 10
    num_train = 60000
    num_test = 10000
    image_shape = (1, 28, 28)
    flip = False
    crop_padding = 0

    def torchvision_class(self) -> type[MNIST]:
        """Return torchvision's class."""
        from torchvision import datasets

        found: type[MNIST] = getattr(datasets, self.torchvision_name)
        return found

    def files(self, train: bool) -> list[str]:
        """Return all four files: they come together."""
        return [f"{self.torchvision_name}/raw/{name}" for name in _FILES]

    def wanted(self, train: bool) -> list[str]:
        """Return the four gzipped files."""
        return [f"{file}.gz" for file in self.files(train)]

    def read(self, folder: Path, train: bool) -> LabelledImages:
        """Read two of the files; torchvision's class would prefer a pickle of older days if it found one."""
        from torchvision.datasets.mnist import read_image_file, read_label_file

        train_images, train_labels, test_images, test_labels = (str(folder / file) for file in self.files(train))
        images, labels = (train_images, train_labels) if train else (test_images, test_labels)
        return LabelledImages(read_image_file(images)[:, None], read_label_file(labels))

    def is_intact(self, path: Path) -> bool:
        """Return whether the header fits the file's length."""
        from torchvision.datasets.mnist import read_image_file, read_label_file

        (read_image_file if "images" in path.name else read_label_file)(str(path))
        return True

    def unpack(self, folder: Path, stage: Path) -> None:
        """Bring each file that is there, gzipped or not."""
        for file in self.files(train=True):
            plain, packed, target = folder / file, folder / f"{file}.gz", stage / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if plain.is_file():
                with open_checked(plain)[0] as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
            elif packed.is_file():
                _gunzip(packed, target)

    def download(self, stage: Path, train: bool) -> None:
        """Let torchvision download and unpack all four files."""
        self.torchvision_class()(str(stage), train=train, download=True)


@DATASETS.register("mnist")
class Mnist(IdxSource):
    """Handwritten digits, under `<root>/mnist/MNIST/raw` or `<root>/MNIST/raw`."""

    name = "mnist"
    torchvision_name = "MNIST"
    mean = (0.1307,)
    std = (0.3081,)


@DATASETS.register("fashion_mnist")
class FashionMnist(IdxSource):
    """Pieces of clothing, under `<root>/FashionMNIST/raw` or `<root>/fashion_mnist/FashionMNIST/raw`."""

    name = "fashion_mnist"
    torchvision_name = "FashionMNIST"
    in_own_folder = False
    hint = " (Debian's package dataset-fashion-mnist holds them)"
    mean = (0.2860,)
    std = (0.3530,)


def _gunzip(packed: Path, target: Path) -> None:
    try:
        with gzip.open(packed) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{packed} is damaged ({error}); delete it and try again") from None
