"""Image data sets: which there are, how they are changed, and their batches."""

from datasets import sources as _sources  # registers the data sets
from datasets.batches import Batch
from datasets.build import input_shape, iterations_per_epoch, load_train, num_classes, num_train_examples
from datasets.build_evaluation import evaluation_batch_size, load_test, load_training_set, load_validation
from datasets.changes import TRAINING_CHANGES
from datasets.corruptions import CORRUPTIONS, SEVERITIES, register_corruption
from datasets.epoch_streams import share_of_batch
from datasets.extra_tests import ExtraTests
from datasets.fit import ImageShape
from datasets.hparams import DatasetHparams
from datasets.loader import Batches, EvaluationLoader, Loader
from datasets.ood import OOD_CHANGES
from datasets.own import OWN_DATASETS, OwnSource, channel_statistics, check_classes
from datasets.source import (
    DATASETS,
    STREAMED_DATASETS,
    DatasetSource,
    LabelledImages,
    Source,
    StreamedSource,
    dataset_names,
    find_source,
)

__all__ = [
    "CORRUPTIONS",
    "DATASETS",
    "OOD_CHANGES",
    "OWN_DATASETS",
    "SEVERITIES",
    "STREAMED_DATASETS",
    "TRAINING_CHANGES",
    "Batch",
    "Batches",
    "DatasetHparams",
    "DatasetSource",
    "EvaluationLoader",
    "ExtraTests",
    "ImageShape",
    "LabelledImages",
    "Loader",
    "OwnSource",
    "Source",
    "StreamedSource",
    "channel_statistics",
    "check_classes",
    "dataset_names",
    "evaluation_batch_size",
    "find_source",
    "input_shape",
    "iterations_per_epoch",
    "load_test",
    "load_train",
    "load_training_set",
    "load_validation",
    "num_classes",
    "num_train_examples",
    "register_corruption",
    "share_of_batch",
]
del _sources
