"""ImageNet (ILSVRC 2012): natural images of a thousand classes, in files."""

from __future__ import annotations

from pathlib import Path

from datasets.image_files import SIDE
from datasets.source import STREAMED_DATASETS, StreamedSource
from foundations.errors import UserError


@STREAMED_DATASETS.register("imagenet")
class ImageNet(StreamedSource):
    """One folder of images for each class, under `<root>/imagenet/train` and `<root>/imagenet/val`."""

    num_classes = 1000
    num_train = 1281167
    num_test = 50000
    image_shape = (3, SIDE, SIDE)
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    flip = True
    crop_padding = 0

    def folder(self, root: Path, train: bool) -> Path:
        """Return the directory of the class folders."""
        directory = root / "imagenet" / ("train" if train else "val")
        if not directory.is_dir():
            raise UserError(
                "imagenet: not found, and it cannot be downloaded without an account; "
                f"put one folder of images for each class (n01440764, ...) into {directory}"
            )
        return directory
