"""Data as a network takes it."""

from __future__ import annotations

import torch

from datasets import (
    DatasetHparams,
    EvaluationLoader,
    ExtraTests,
    Loader,
    input_shape,
    load_test,
    load_train,
    load_training_set,
    load_validation,
)
from foundations.context import RunContext
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from models import ModelHparams, find_family


def check_images_fit(model: ModelHparams, data: DatasetHparams) -> None:
    """Check, without loading anything, that a data set's images can be brought to what a network takes.

    Raises:
        InvalidValue: if they cannot.
    """
    family = find_family(model.model_name)
    _, height, width = input_shape(data, family.image_shape, model.model_name)
    if not family.takes(model.model_name, height, width):
        has = f"{height}x{width} pixels, with which {model.model_name} cannot compute"
        reason = f"its images have {has}; --image_size brings them to another size"
        raise InvalidValue("dataset_name", data.dataset_name, reason)


def load_train_for(
    model: ModelHparams, data: DatasetHparams, streams: RandomStreams, context: RunContext, order_seed: int | None
) -> Loader:
    """Load the training data, laid out as training wants them.

    Raises:
        UserError: if they are not there and cannot be had.
    """
    shape = find_family(model.model_name).image_shape
    return load_train(data, shape, model.model_name, streams, context, order_seed, memory_format=torch.channels_last)


def load_test_for(model: ModelHparams, data: DatasetHparams, context: RunContext) -> EvaluationLoader:
    """Load the test data, laid out as evaluation wants them.

    Raises:
        UserError: if they are not there and cannot be had.
    """
    shape = find_family(model.model_name).image_shape
    return load_test(data, shape, model.model_name, context, memory_format=torch.channels_last)


def load_training_set_for(model: ModelHparams, data: DatasetHparams, context: RunContext) -> EvaluationLoader:
    """Load the training data to measure networks on them, laid out as evaluation wants them.

    Raises:
        UserError: if they are not there and cannot be had.
    """
    shape = find_family(model.model_name).image_shape
    return load_training_set(data, shape, model.model_name, context, memory_format=torch.channels_last)


def load_validation_for(model: ModelHparams, data: DatasetHparams, context: RunContext) -> EvaluationLoader:
    """Load the training data that are held out, laid out as evaluation wants them.

    Raises:
        UserError: if they are not there and cannot be had.
    """
    shape = find_family(model.model_name).image_shape
    return load_validation(data, shape, model.model_name, context, memory_format=torch.channels_last)


def extra_tests_for(model: ModelHparams, data: DatasetHparams, context: RunContext) -> ExtraTests:
    """Return the test data beside a data set's own, laid out as evaluation wants them; nothing is loaded yet."""
    shape = find_family(model.model_name).image_shape
    return ExtraTests(data, shape, model.model_name, context, memory_format=torch.channels_last)
