"""From hyperparameters to the batches of an evaluation."""

from __future__ import annotations

from dataclasses import replace

import torch

from datasets.augmentation import Normalization
from datasets.build import input_shape, load_examples, num_classes
from datasets.changes import change_files, change_images, rotation_generator, turn_files
from datasets.fit import ImageShape, fit_examples
from datasets.hparams import DatasetHparams
from datasets.image_files import ImageFiles, open_files
from datasets.loader import DeviceEvaluationLoader, EvaluationLoader
from datasets.source import STREAMED_DATASETS, LabelledImages
from datasets.streaming import Reader, StreamingEvaluationLoader
from datasets.transforms import rotation_task, split_indices
from foundations.context import RunContext
from foundations.errors import InvalidValue

_EVALUATION_IMAGES = 512
"""Images of 32x32 at a time, the same everywhere: with batch statistics in BatchNorm, measures depend on it."""

TEST, VALIDATION, TRAIN = "test", "validation", "train"


def load_test(
    hparams: DatasetHparams,
    image_shape: ImageShape | None,
    model_name: str,
    context: RunContext,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> EvaluationLoader:
    """Load the test examples and return their batches, bigger ones than those of training.

    Of the changes to the data, only rotations concern them; the angles are the same in every replicate and level.

    Raises:
        UserError: as `load_train` does.
    """
    input_shape(hparams, image_shape, model_name)
    if hparams.dataset_name in STREAMED_DATASETS:
        return _streamed(_open(hparams, context, train=False), TEST, hparams, context, memory_format)
    examples = load_examples(hparams, context, train=False)
    return evaluation_loader(examples, hparams, image_shape, model_name, context, memory_format=memory_format)


def load_validation(
    hparams: DatasetHparams,
    image_shape: ImageShape | None,
    model_name: str,
    context: RunContext,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> EvaluationLoader:
    """Load the training examples that are held out, and return their batches as those of the test examples.

    Raises:
        UserError: as `load_train` does.
    """
    input_shape(hparams, image_shape, model_name)
    if hparams.validation_fraction is None:
        raise InvalidValue("validation_fraction", None, "no training examples are held out")
    if hparams.dataset_name in STREAMED_DATASETS:
        files = _open(hparams, context, train=True)
        held_out = files.select(split_indices(len(files), hparams.validation_fraction)[1])
        return _streamed(held_out, VALIDATION, hparams, context, memory_format)
    examples = load_examples(hparams, context, train=True)
    examples = examples.select(split_indices(len(examples), hparams.validation_fraction)[1])
    return evaluation_loader(
        examples, hparams, image_shape, model_name, context, split=VALIDATION, memory_format=memory_format
    )


def load_training_set(
    hparams: DatasetHparams,
    image_shape: ImageShape | None,
    model_name: str,
    context: RunContext,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> EvaluationLoader:
    """Load the training examples as training sees them, but not augmented, in batches as those of the test examples.

    Raises:
        UserError: as `load_train` does.
    """
    input_shape(hparams, image_shape, model_name)
    classes = hparams.source.num_classes
    unturned = replace(hparams, unsupervised_labels=None)  # whoever makes batches of them turns images and labels
    if hparams.dataset_name in STREAMED_DATASETS:
        files = change_files(_open(hparams, context, train=True), unturned, classes)
        return _streamed(files, TRAIN, hparams, context, memory_format)
    examples = change_images(load_examples(hparams, context, train=True), unturned, classes)
    return evaluation_loader(
        examples, hparams, image_shape, model_name, context, split=TRAIN, memory_format=memory_format
    )


def evaluation_loader(
    examples: LabelledImages,
    hparams: DatasetHparams,
    image_shape: ImageShape | None,
    model_name: str,
    context: RunContext,
    *,
    split: str = TEST,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> EvaluationLoader:
    """Return the batches of examples that have the shape of a data set's own, normalised as these are.

    Args:
        split: whose angles they are turned by, where the task is to recognise rotations.

    Raises:
        InvalidValue: if they do not fit the network.
    """
    source = hparams.source
    examples = fit_examples(examples, image_shape, hparams.dataset_name, model_name)
    if hparams.rotations:
        examples = rotation_task(examples, rotation_generator(hparams, split))
    return DeviceEvaluationLoader(
        examples.to(context.device),
        num_classes=num_classes(hparams),
        batch_size=evaluation_batch_size(examples.images.shape[-2], examples.images.shape[-1]),
        normalization=Normalization(source.mean, source.std, context.device, memory_format),
        ranks=context.ranks,
    )


def evaluation_batch_size(height: int, width: int) -> int:
    """Return how many images of a size are evaluated at a time: fewer of bigger ones."""
    return min(max(_EVALUATION_IMAGES * 32 * 32 // (height * width), 32), _EVALUATION_IMAGES)


def _open(hparams: DatasetHparams, context: RunContext, *, train: bool) -> ImageFiles:
    source = STREAMED_DATASETS.get(hparams.dataset_name)()
    return open_files(hparams.dataset_name, source, context.dataset_root, train)


def _streamed(
    files: ImageFiles, split: str, hparams: DatasetHparams, context: RunContext, memory_format: torch.memory_format
) -> EvaluationLoader:
    source = hparams.source
    return StreamingEvaluationLoader(
        turn_files(files, hparams, split) if hparams.rotations else files,
        num_classes=num_classes(hparams),
        batch_size=evaluation_batch_size(source.image_shape[1], source.image_shape[2]),
        reader=Reader(context, Normalization(source.mean, source.std, context.device, memory_format)),
    )
