from __future__ import annotations

import pytest

from foundations.errors import InvalidValue
from models import ModelHparams, batchnorm_tensor_names, build_network

OUTPUT = {"fc.weight", "fc.bias"}


def trainable(**flags: object) -> tuple[set[str], set[str], set[str]]:
    """Return the names of trainable, BatchNorm and all parameters of a small ResNet."""
    hparams = ModelHparams(
        model_name="cifar_resnet_8_4", model_init="kaiming_normal", batchnorm_init="uniform", **flags
    )
    model = build_network(hparams, 10, seed=0)
    parameters = dict(model.named_parameters())
    batchnorm = set(batchnorm_tensor_names(model))
    return {name for name, value in parameters.items() if value.requires_grad}, batchnorm, set(parameters)


def test_everything_is_trained_by_default():
    found, _, everything = trainable()
    assert found == everything


def test_batchnorm_frozen():
    found, batchnorm, everything = trainable(batchnorm_frozen=True)
    assert found == everything - batchnorm
    assert {"bn.weight", "blocks.1.shortcut.1.bias"} <= batchnorm
    assert not batchnorm & OUTPUT


def test_output_frozen():
    found, _, everything = trainable(output_frozen=True)
    assert found == everything - OUTPUT


def test_others_frozen():
    found, batchnorm, _ = trainable(others_frozen=True)
    assert found == batchnorm | OUTPUT


def test_others_frozen_with_exceptions():
    found, batchnorm, _ = trainable(others_frozen=True, others_frozen_exceptions="conv.weight,blocks.0.conv1.weight")
    assert found == batchnorm | OUTPUT | {"conv.weight", "blocks.0.conv1.weight"}


def test_all_three_leave_nothing_to_train_and_are_refused():
    with pytest.raises(InvalidValue, match="--others_frozen=True: every part of the network is frozen"):
        trainable(batchnorm_frozen=True, output_frozen=True, others_frozen=True)


def test_an_unknown_exception_is_answered_with_names_like_it():
    with pytest.raises(InvalidValue, match=r"--others_frozen_exceptions=conv1\.weight: .*blocks\.2\.conv1\.weight"):
        trainable(others_frozen=True, others_frozen_exceptions="conv.weight,conv1.weight")
