from __future__ import annotations

import pytest
from torch import nn

from foundations.errors import InvalidValue
from models import (
    MODEL_FAMILIES,
    ModelFamily,
    ModelHparams,
    build_network,
    find_family,
    numbers_in,
    prunable_tensor_names,
    register_family,
)


class OldStyleModel(nn.Module):
    """A user's model in OpenLTH's manner, which knows its own names and how to make itself."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, width)
        self.fc = nn.Linear(width, outputs)

    def forward(self, x):
        return self.fc(self.hidden(x.flatten(1)).relu())

    @staticmethod
    def is_valid_model_name(name):
        return name.startswith("mine_") and name[len("mine_") :].isdigit()

    @staticmethod
    def get_model_from_name(name, outputs):
        return OldStyleModel(int(name.split("_")[1]), outputs)


class MineFamily(ModelFamily):
    pattern = "mine_N"
    examples = ("mine_4",)
    image_shape = (1, 2, 3)
    output_layer = "fc"
    defaults = {"dataset_name": "mnist", "batch_size": 4}  # noqa: RUF012

    def matches(self, name):
        return OldStyleModel.is_valid_model_name(name)

    def build(self, name, num_classes):
        return OldStyleModel.get_model_from_name(name, num_classes)


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setattr(MODEL_FAMILIES, "_entries", dict(MODEL_FAMILIES._entries))
    register_family("mine")(MineFamily)


def test_a_users_family_is_chosen_built_and_initialised(mine):
    hparams = ModelHparams(model_name="mine_4", model_init="binary", batchnorm_init="uniform", output_frozen=True)
    model = build_network(hparams, num_classes=3, seed=0)
    assert prunable_tensor_names(model) == ["hidden.weight", "fc.weight"]
    assert model.fc.weight.shape == (3, 4)
    assert model.hidden.weight.abs().unique().numel() == 1
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["fc.weight", "fc.bias"]


def test_a_users_family_is_offered_to_who_mistypes(mine):
    with pytest.raises(InvalidValue, match="must be mine_N; other models are"):
        find_family("mine_x")


def test_a_taken_name_is_refused(mine):
    with pytest.raises(ValueError, match="mine is registered twice"):
        register_family("mine")(MineFamily)


def test_an_unknown_model_is_answered_with_every_pattern():
    with pytest.raises(InvalidValue) as caught:
        find_family("alexnet")
    message = str(caught.value)
    assert message.startswith("--model_name=alexnet: valid models are ")
    assert all(family.pattern in message for _, family in MODEL_FAMILIES.items())
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifar_resnet_21", "6n\\+2"),
        ("cifar_resnet", "6n\\+2"),
        ("cifar_vgg_12", "11, 13, 16 or 19"),
        ("imagenet_resnet_20", "18, 34, 50"),
        ("cifar_vit_huge", "cifar_vit_tiny"),
        ("mnist_lenet", "widths"),
    ],
)
def test_a_near_miss_is_answered_with_its_familys_pattern_first(name, hint):
    with pytest.raises(InvalidValue, match=f"--model_name={name}: must be [^;]*{hint}.*other models are"):
        find_family(name)


def test_numbers_are_read_out_of_a_name():
    assert numbers_in("cifar_resnet_20_32") == [20, 32]
    assert numbers_in("cifar_vit_tiny") == []
