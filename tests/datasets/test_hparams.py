from __future__ import annotations

import math
from dataclasses import fields

import pytest

from datasets import DatasetHparams
from foundations.errors import InvalidValue


def test_the_fields_are_openlths_in_openlths_order_and_three_more() -> None:
    assert [f.name for f in fields(DatasetHparams)] == [
        "dataset_name",
        "batch_size",
        "do_not_augment",
        "transformation_seed",
        "subsample_fraction",
        "random_labels_fraction",
        "unsupervised_labels",
        "blur_factor",
        "validation_fraction",
        "dataset_dir",
        "image_size",
    ]


def test_defaults_do_not_enter_the_canonical_text() -> None:
    assert (
        str(DatasetHparams(dataset_name="cifar10", batch_size=128)) == "Hparams(batch_size=128, dataset_name='cifar10')"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset_name", "cifar11"),
        ("batch_size", 0),
        ("transformation_seed", -1),
        ("transformation_seed", 2**32 - 1),
        ("subsample_fraction", 0.0),
        ("subsample_fraction", 1.01),
        ("subsample_fraction", math.nan),
        ("random_labels_fraction", -0.1),
        ("random_labels_fraction", 1.1),
        ("random_labels_fraction", math.nan),
        ("unsupervised_labels", "jigsaw"),
        ("blur_factor", 0),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("validation_fraction", 0.99999),
        ("validation_fraction", math.nan),
    ],
)
def test_an_invalid_value_is_named(field: str, value: object) -> None:
    values = {"dataset_name": "cifar10", "batch_size": 128, field: value}
    with pytest.raises(InvalidValue) as caught:
        DatasetHparams(**values)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_the_extremes_are_valid() -> None:
    DatasetHparams(
        dataset_name="imagenet",
        batch_size=1,
        subsample_fraction=1,
        random_labels_fraction=0.0,
        blur_factor=1,
        unsupervised_labels="rotation",
        transformation_seed=0,
    )
