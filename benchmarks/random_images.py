"""A data set of noise in CIFAR-10's shape: speed does not depend on what images show."""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from datasets import DATASETS, LabelledImages
from datasets.sources.cifar import Cifar10


def random_images(num_train: int, num_test: int) -> str:
    """Register such a data set and return its name, for `--dataset_name`."""
    name = f"random_images_{num_train}_{num_test}"
    if name not in DATASETS:
        DATASETS.register(name)(type("RandomImages", (_RandomImages,), {"num_train": num_train, "num_test": num_test}))
    return name


class _RandomImages(Cifar10):
    def load(self, root: Path, train: bool) -> LabelledImages:
        return _noise(self.count(train), train)


@functools.cache
def _noise(count: int, train: bool) -> LabelledImages:
    generator = torch.Generator().manual_seed(int(train))
    images = torch.empty(count, *_RandomImages.image_shape, dtype=torch.uint8).random_(generator=generator)
    return LabelledImages(images, torch.arange(count) % _RandomImages.num_classes)
