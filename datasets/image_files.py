"""Images in files, one folder for each class, decoded one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from datasets.source import StreamedSource
from datasets.transforms import blur
from foundations.errors import UserError
from foundations.randomness import default_generator_seeded

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 224
"""Of ImageNet's images."""

_MARGIN = 256 / 224
"""How much longer than the crop an image's shorter side is before the centre is cut out of it."""

_MODES = {1: "L", 3: "RGB"}

ImageShape = tuple[int, int, int]

Key = tuple[int, int | None]
"""An image's index and the seed of its random crop; None for the central one."""

Item = tuple[torch.Tensor, int, str]
"""An image, uint8 (C, H, W), its label, and why it could not be read, or nothing.

A reason, not an exception: raised in a worker process, that one would come with the worker's traceback as its text.
"""


@dataclass(frozen=True)
class ImageFiles(Dataset[Item]):
    """Image files and their labels.

    Args:
        paths: the files.
        labels: int64, (N,).
        blur_factor: by how much images are shrunk and enlarged again.
        rotations: whether labels are quarter turns, by which whoever reads a batch turns the images.
        shape: (C, H, W) of the images that are made of them; gray ones have one channel.
    """

    paths: tuple[str, ...]
    labels: torch.Tensor
    blur_factor: int = 1
    rotations: bool = False
    shape: ImageShape = (3, SIDE, SIDE)

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, indices: torch.Tensor) -> ImageFiles:
        """Return the images of some indices (int64), in their order."""
        paths = tuple(self.paths[i] for i in indices.tolist())
        return replace(self, paths=paths, labels=self.labels[indices])

    def __getitem__(self, key: Key) -> Item:
        index, seed = key
        try:
            image = read_image(self.paths[index], seed, self.shape)
        except UserError as error:
            return torch.zeros(self.shape, dtype=torch.uint8), 0, str(error)
        if self.blur_factor > 1:
            image = blur(image[None], self.blur_factor)[0]
        return image, int(self.labels[index]), ""


def read_image(path: str, seed: int | None, shape: ImageShape = (3, SIDE, SIDE)) -> torch.Tensor:
    """Return a file's image, cropped to a shape (C, H, W): uint8.

    Raises:
        UserError: if the file cannot be read as an image.
    """
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    channels, *size = shape
    try:
        with Image.open(path) as file:
            image = file.convert(_MODES[channels])
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as an image ({str(error).splitlines()[0]})") from None
    pixels: torch.Tensor = pil_to_tensor(central_crop(image, size) if seed is None else random_crop(image, seed, size))
    return pixels


def random_crop(image: Image, seed: int, size: Sequence[int] = (SIDE, SIDE)) -> Image:
    """Return a random part of an image, enlarged or shrunk to a height and width and mirrored half of the time."""
    from torchvision.transforms import RandomResizedCrop
    from torchvision.transforms.functional import hflip, resized_crop

    with default_generator_seeded(seed):
        top, left, height, width = RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])
        mirrored = bool(torch.rand(()) < 0.5)
    part: Image = resized_crop(image, top, left, height, width, [*size])
    mirror: Image = hflip(part)
    return mirror if mirrored else part


def central_crop(image: Image, size: Sequence[int] = (SIDE, SIDE)) -> Image:
    """Return an image's centre of a height and width after its shorter side was brought to 256/224 of the longer."""
    from torchvision.transforms.functional import center_crop, resize

    cropped: Image = center_crop(resize(image, [round(_MARGIN * max(size))]), [*size])
    return cropped


def open_files(name: str, source: StreamedSource, root: Path, train: bool) -> ImageFiles:
    """List the training or the test images of a data set, without decoding any.

    Raises:
        UserError: if they are not there, or not as many as they should be.
    """
    from torchvision.datasets import ImageFolder

    if source.image_shape[0] not in _MODES:
        raise UserError(f"{name}: images in files have 1 or 3 channels, not {source.image_shape[0]}")
    folder = source.folder(root, train)
    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise UserError(f"{name}: {folder} does not hold a folder of images for each class ({error})") from None
    count = source.count(train)
    if len(found.samples) != count or len(found.classes) > source.num_classes:
        raise UserError(
            f"{name}: {folder} holds {len(found.samples)} images in {len(found.classes)} folders, "
            f"not {count} in {source.num_classes}"
        )
    paths, labels = zip(*found.samples, strict=True)
    return ImageFiles(paths, torch.tensor(labels), shape=source.image_shape)
