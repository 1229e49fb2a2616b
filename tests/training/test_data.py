from __future__ import annotations

import pytest
import torch

from datasets import DatasetHparams
from foundations.context import RunContext
from foundations.errors import InvalidValue
from foundations.randomness import RandomStreams
from models import ModelHparams
from training.data import check_images_fit, load_test_for, load_train_for

DIGITS = DatasetHparams(dataset_name="digits", batch_size=100)


def model(name: str) -> ModelHparams:
    return ModelHparams(model_name=name, model_init="kaiming_normal", batchnorm_init="uniform")


@pytest.mark.parametrize(("name", "shape"), [("mnist_lenet_12", (1, 28, 28)), ("cifar_resnet_8_4", (3, 32, 32))])
def test_images_come_as_the_network_takes_them(tmp_path, name, shape):
    context = RunContext(tmp_path, tmp_path)
    train = load_train_for(model(name), DIGITS, RandomStreams(1), context, None)
    test = load_test_for(model(name), DIGITS, context)
    images, labels = next(train.epoch(0))
    assert images.shape == (100, *shape)
    assert labels.shape == (100,)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (train.num_examples, test.num_examples) == (1437, 360)


def test_a_data_order_seed_fixes_the_order_for_all_replicates(tmp_path):
    context = RunContext(tmp_path, tmp_path)

    def first_labels(replicate: int, seed: int | None) -> list[int]:
        loader = load_train_for(model("mnist_lenet_12"), DIGITS, RandomStreams(replicate), context, seed)
        return next(loader.epoch(0))[1].tolist()

    assert first_labels(1, 0) == first_labels(2, 0)
    assert first_labels(1, None) != first_labels(2, None)
    assert first_labels(1, 0) != first_labels(1, 1)


def test_images_that_cannot_be_fitted_are_refused_before_anything_is_loaded():
    imagenet = DatasetHparams(dataset_name="imagenet", batch_size=8)
    check_images_fit(model("cifar_resnet_8_4"), DIGITS)
    with pytest.raises(InvalidValue):
        check_images_fit(model("mnist_lenet_12"), imagenet)
