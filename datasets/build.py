"""From hyperparameters to facts about the data, and to batches of training."""

from __future__ import annotations

import math

import torch

from datasets.augmentation import Augmentation, Normalization
from datasets.changes import change_files, change_images
from datasets.epoch_streams import EpochStreams
from datasets.fit import ImageShape, fit_examples, fitted_shape
from datasets.hparams import DatasetHparams, portion
from datasets.image_files import open_files
from datasets.loader import DeviceLoader, Loader
from datasets.source import DATASETS, STREAMED_DATASETS, DatasetSource, LabelledImages, checked
from datasets.streaming import Reader, StreamingLoader
from datasets.transforms import NUM_ROTATIONS, square
from foundations.context import RunContext
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams


def num_classes(hparams: DatasetHparams) -> int:
    """Return the number of classes a network has to tell apart."""
    return NUM_ROTATIONS if hparams.rotations else hparams.source.num_classes


def num_train_examples(hparams: DatasetHparams) -> int:
    """Return the number of training examples, without loading them: none is held out, and all are in the subsample."""
    count = hparams.source.num_train
    held_out = 0 if hparams.validation_fraction is None else portion(count, hparams.validation_fraction)
    return portion(count - held_out, hparams.subsample_fraction)


def iterations_per_epoch(hparams: DatasetHparams) -> int:
    """Return the number of batches in an epoch, without loading data; the loader has exactly as many."""
    return math.ceil(num_train_examples(hparams) / hparams.batch_size)


def input_shape(hparams: DatasetHparams, image_shape: ImageShape | None, model_name: str) -> tuple[int, int, int]:
    """Return the (C, H, W) of the images a network will get, without loading data.

    Args:
        image_shape: what the network takes; None, whole or in part, means anything.
        model_name: the network's name, for the message.

    Raises:
        InvalidValue: if the data set's images cannot be brought to what the network takes.
    """
    return fitted_shape(hparams.image_shape, image_shape, hparams.dataset_name, model_name)


def load_train(
    hparams: DatasetHparams,
    image_shape: ImageShape | None,
    model_name: str,
    streams: RandomStreams,
    context: RunContext,
    data_order_seed: int | None = None,
    *,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Loader:
    """Load the training examples and return their batches.

    Args:
        image_shape: the (C, H, W) the network takes; None, whole or in part, means anything.
        streams: the run's random streams.
        data_order_seed: if given, the order of the examples depends on it and the epoch alone.
        memory_format: the layout of the images.

    Raises:
        UserError: if the data are not there and cannot be had, are damaged, or do not fit the network.
    """
    input_shape(hparams, image_shape, model_name)
    seeds = EpochStreams(streams, data_order_seed, hparams.transformation_seed)
    if hparams.dataset_name in STREAMED_DATASETS:
        return _streamed_train(hparams, seeds, context, memory_format)
    source = hparams.source
    examples = load_examples(hparams, context, train=True)
    examples = change_images(examples, hparams, source.num_classes)
    examples = fit_examples(examples, image_shape, hparams.dataset_name, model_name)
    return DeviceLoader(
        examples.to(context.device),
        num_classes=num_classes(hparams),
        batch_size=hparams.batch_size,
        normalization=Normalization(source.mean, source.std, context.device, memory_format),
        augmentation=Augmentation(source.flip, source.crop_padding) if hparams.augment else None,
        seeds=seeds,
        rotations=hparams.rotations,
        ranks=context.example_ranks,
    )


def load_examples(hparams: DatasetHparams, context: RunContext, *, train: bool) -> LabelledImages:
    """Return the training or the test examples of a data set in memory, as it has them, in the size that is asked for.

    Raises:
        UserError: if the data are not there and cannot be had, or are damaged.
    """
    source, side = hparams.source, hparams.image_size
    if not isinstance(source, DatasetSource):
        raise InvalidValue("dataset_name", hparams.dataset_name, "its images do not fit in memory")
    examples = checked(hparams.dataset_name, source, source.load(context.dataset_root, train), train)
    return examples if side is None else LabelledImages(square(examples.images, side), examples.labels)


def load_other_test(name: str, context: RunContext) -> LabelledImages:
    """Return the test examples of a data set that is known by its name alone, as it has them.

    Raises:
        UserError: if the data are not there and cannot be had, or are damaged.
    """
    source = DATASETS.get(name)()
    return checked(name, source, source.load(context.dataset_root, False), False)


def _streamed_train(
    hparams: DatasetHparams, seeds: EpochStreams, context: RunContext, memory_format: torch.memory_format
) -> Loader:
    source = STREAMED_DATASETS.get(hparams.dataset_name)()
    files = open_files(hparams.dataset_name, source, context.dataset_root, train=True)
    return StreamingLoader(
        change_files(files, hparams, source.num_classes),
        num_classes=num_classes(hparams),
        batch_size=hparams.batch_size,
        reader=Reader(context, Normalization(source.mean, source.std, context.device, memory_format)),
        augment=hparams.augment,
        seeds=seeds,
    )
