from __future__ import annotations

from dataclasses import fields

import pytest

from foundations.errors import InvalidValue
from models import ModelHparams

VALID = {"model_name": "cifar_resnet_20", "model_init": "kaiming_normal", "batchnorm_init": "uniform"}


def test_the_canonical_text_leaves_out_defaults():
    assert str(ModelHparams(**VALID)) == (
        "Hparams(batchnorm_init='uniform', model_init='kaiming_normal', model_name='cifar_resnet_20')"
    )
    assert "batchnorm_frozen=True" in str(ModelHparams(**VALID, batchnorm_frozen=True))


def test_the_display_is_openlths():
    assert ModelHparams(**VALID).display().splitlines() == [
        "Model Hyperparameters",
        "    * model_name => cifar_resnet_20",
        "    * model_init => kaiming_normal",
        "    * batchnorm_init => uniform",
    ]


def test_the_fields_are_openlths():
    assert [f.name for f in fields(ModelHparams)] == [
        "model_name",
        "model_init",
        "batchnorm_init",
        "batchnorm_frozen",
        "output_frozen",
        "others_frozen",
        "others_frozen_exceptions",
    ]


@pytest.mark.parametrize("missing", VALID)
def test_names_are_required(missing):
    with pytest.raises(TypeError, match=missing):
        ModelHparams(**{key: value for key, value in VALID.items() if key != missing})


@pytest.mark.parametrize(
    ("field", "value", "valid"),
    [
        ("model_name", "cifar_resnet_21", "D = 6n+2"),
        ("model_name", "", "mnist_lenet_N1"),
        ("model_init", "xavier", "binary, kaiming_normal, kaiming_uniform, torch_default, orthogonal, as_built"),
        ("batchnorm_init", "zero", "uniform, fixed, oneone, positivenegative"),
    ],
)
def test_an_unknown_name_is_answered_with_the_flag_and_what_is_valid(field, value, valid):
    with pytest.raises(InvalidValue) as caught:
        ModelHparams(**{**VALID, field: value})
    assert str(caught.value).startswith(f"--{field}={value}: ")
    assert valid in str(caught.value)
