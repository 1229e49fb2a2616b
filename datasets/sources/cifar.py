"""CIFAR-10 and CIFAR-100: natural images, 32x32."""

from __future__ import annotations

import tarfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from datasets.source import DATASETS, LabelledImages
from datasets.torchvision_files import TorchvisionSource
from foundations.errors import UserError

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


class CifarSource(TorchvisionSource):
    """Pickled batches in one folder, or the archive that holds them.

    Unpickling runs what a file says, so a file is unpickled only if it is byte for byte the published one:
    torchvision's class compares every batch with its known MD5 digest before it opens any, and nothing here
    reads a batch without that class, or goes on when a digest is wrong.

    Attributes:
        torchvision_name: the name of torchvision's class.
    """

    torchvision_name: ClassVar[str]
    num_train = 50000
    num_test = 10000
    image_shape = (3, 32, 32)
    flip = True
    crop_padding = 4

    def torchvision_class(self) -> type[CIFAR10]:
        """Return torchvision's class."""
        from torchvision import datasets

        found: type[CIFAR10] = getattr(datasets, self.torchvision_name)
        return found

    def _digests(self) -> dict[str, str]:
        """Return the file names and the digests that torchvision knows."""
        known = self.torchvision_class()
        return {**dict((*known.train_list, *known.test_list)), known.meta["filename"]: known.meta["md5"]}

    def files(self, train: bool) -> list[str]:
        """Return all batches; torchvision checks them all."""
        return [f"{self.torchvision_class().base_folder}/{name}" for name in self._digests()]

    def wanted(self, train: bool) -> list[str]:
        """Return the archive."""
        return [self.torchvision_class().filename]

    def read(self, folder: Path, train: bool) -> LabelledImages:
        """Read the batches, after torchvision has checked their digests."""
        with warnings.catch_warnings():
            # The batches were pickled by an old NumPy; some newer releases complain about that.
            warnings.simplefilter("ignore")
            data = self.torchvision_class()(str(folder), train=train)
        images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        return LabelledImages(images, torch.tensor(data.targets, dtype=torch.int64))

    def is_intact(self, path: Path) -> bool:
        """Return whether the file has its known digest."""
        from torchvision.datasets.utils import check_integrity

        return bool(check_integrity(str(path), self._digests()[path.name]))

    def unpack(self, folder: Path, stage: Path) -> None:
        """Unpack the archive if it is there and has its known digest."""
        from torchvision.datasets.utils import check_integrity

        known = self.torchvision_class()
        archive = folder / known.filename
        if not archive.is_file():
            return
        if not check_integrity(str(archive), known.tgz_md5):
            raise UserError(f"{archive} is damaged; delete it and try again")
        with tarfile.open(archive) as tar:
            # Later Pythons warn if there is no filter, and the first releases of 3.10 know none.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(stage)

    def download(self, stage: Path, train: bool) -> None:
        """Let torchvision download and unpack the archive."""
        self.torchvision_class()(str(stage), train=train, download=True)


@DATASETS.register("cifar10")
class Cifar10(CifarSource):
    """CIFAR-10, under `<root>/cifar10/cifar-10-batches-py` or `<root>/cifar-10-batches-py`."""

    name = "cifar10"
    torchvision_name = "CIFAR10"
    num_classes = 10
    # OpenLTH's, which are ImageNet's: its checkpoints mean nothing under CIFAR-10's own.
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)


@DATASETS.register("cifar100")
class Cifar100(CifarSource):
    """CIFAR-100, under `<root>/cifar100/cifar-100-python` or `<root>/cifar-100-python`."""

    name = "cifar100"
    torchvision_name = "CIFAR100"
    num_classes = 100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
