"""House numbers from photographs, 32x32."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets.source import DATASETS, LabelledImages
from datasets.torchvision_files import TorchvisionSource


@DATASETS.register("svhn")
class Svhn(TorchvisionSource):
    """Street View House Numbers, the cropped digits, under `<root>/svhn` or `<root>`; augmented by cropping only."""

    name = "svhn"
    num_classes = 10
    num_train = 73257
    num_test = 26032
    image_shape = (3, 32, 32)
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)
    flip = False
    crop_padding = 4

    def files(self, train: bool) -> list[str]:
        """Return the one file."""
        return ["train_32x32.mat" if train else "test_32x32.mat"]

    def wanted(self, train: bool) -> list[str]:
        """Return the one file."""
        return self.files(train)

    def read(self, folder: Path, train: bool) -> LabelledImages:
        """Read the file, after torchvision has checked its digest."""
        from torchvision.datasets import SVHN

        data = SVHN(str(folder), split="train" if train else "test")
        return LabelledImages(torch.from_numpy(data.data).contiguous(), torch.from_numpy(data.labels))

    def is_intact(self, path: Path) -> bool:
        """Return whether the file has its known digest."""
        from torchvision.datasets import SVHN
        from torchvision.datasets.utils import check_integrity

        return bool(check_integrity(str(path), SVHN.split_list[path.name.split("_")[0]][2]))

    def unpack(self, folder: Path, stage: Path) -> None:
        """Do nothing: the file is not packed."""

    def download(self, stage: Path, train: bool) -> None:
        """Let torchvision download the file."""
        from torchvision.datasets import SVHN

        SVHN(str(stage), split="train" if train else "test", download=True)
