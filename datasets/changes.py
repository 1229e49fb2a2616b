"""The changes to training examples that hyperparameters ask for.

Examples for validation are held out first; of the others labels are randomised, then examples are drawn, then images
are blurred, then labels become rotations. All random numbers but the first come from `transformation_seed` (0 if it is
not given), and none from replicate or level: they are part of the task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from datasets.hparams import DatasetHparams
from datasets.image_files import ImageFiles
from datasets.source import LabelledImages
from datasets.transforms import (
    blur,
    draw_turns,
    random_labels,
    randomize_labels,
    split_indices,
    subsample,
    subsample_indices,
)
from foundations.errors import InvalidValue
from foundations.extension import added_values
from foundations.randomness import derive_seed
from foundations.registry import Registry

Change = Callable[[LabelledImages, DatasetHparams], LabelledImages]

TRAINING_CHANGES: Registry[Change] = Registry("training change")
"""What plugins do to training examples in memory, in this order, after all that stands above but rotations.

Each is called for every data set in memory, and does nothing unless the plugin's own hyperparameters say so
(`foundations.extension`). Data that stream from the disk cannot be changed in this way.
"""


def rotation_generator(hparams: DatasetHparams, split: str) -> torch.Generator:
    """Return the generator of the angles of a split: `train`, `validation` or `test`."""
    return torch.Generator().manual_seed(derive_seed("rotation", hparams.transformation_seed or 0, split))


def change_images(examples: LabelledImages, hparams: DatasetHparams, num_classes: int) -> LabelledImages:
    """Return training examples as the hyperparameters ask for them.

    With rotations only the labels change: the loader turns the images, after it has mirrored them.
    """
    seed = hparams.transformation_seed or 0
    if hparams.validation_fraction is not None:
        examples = examples.select(split_indices(len(examples), hparams.validation_fraction)[0])
    if hparams.random_labels_fraction is not None:
        examples = randomize_labels(examples, hparams.random_labels_fraction, num_classes, seed)
    if hparams.subsample_fraction is not None:
        examples = subsample(examples, hparams.subsample_fraction, seed)
    if hparams.blur_factor is not None:
        examples = LabelledImages(blur(examples.images, hparams.blur_factor), examples.labels)
    for _, change in TRAINING_CHANGES.items():
        examples = change(examples, hparams)
    if hparams.rotations:
        turns = draw_turns(len(examples), rotation_generator(hparams, "train"))
        examples = LabelledImages(examples.images, turns)
    return examples


def change_files(files: ImageFiles, hparams: DatasetHparams, num_classes: int) -> ImageFiles:
    """Return training files as the hyperparameters ask for them; blurring happens when they are read."""
    seed = hparams.transformation_seed or 0
    for name, value in added_values(hparams, DatasetHparams).items():
        raise InvalidValue(name, value, "has no effect on images that stream from the disk")
    if hparams.validation_fraction is not None:
        files = files.select(split_indices(len(files), hparams.validation_fraction)[0])
    if hparams.random_labels_fraction is not None:
        labels = random_labels(files.labels, hparams.random_labels_fraction, num_classes, seed)
        files = replace(files, labels=labels)
    if hparams.subsample_fraction is not None:
        files = files.select(subsample_indices(len(files), hparams.subsample_fraction, seed))
    if hparams.blur_factor is not None:
        files = replace(files, blur_factor=hparams.blur_factor)
    return turn_files(files, hparams, "train") if hparams.rotations else files


def turn_files(files: ImageFiles, hparams: DatasetHparams, split: str) -> ImageFiles:
    """Return the files of a split with quarter turns as labels, by which their images will be turned."""
    turns = draw_turns(len(files), rotation_generator(hparams, split))
    return replace(files, labels=turns, rotations=True)
