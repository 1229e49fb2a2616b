"""Presets lead to the directory names that OpenLTH's users have."""

from __future__ import annotations

import hashlib

import pytest

from models import ModelHparams, find_family

FIELDS = {
    "dataset": ("batch_size", "dataset_name"),
    "pruning": ("pruning_layers_to_ignore", "pruning_strategy"),
    "training": (
        "gamma",
        "lr",
        "milestone_steps",
        "momentum",
        "optimizer_name",
        "training_steps",
        "warmup_steps",
        "weight_decay",
    ),
}


def texts(name: str, **changes: object) -> dict[str, str]:
    values = {**find_family(name).defaults, **changes}
    groups = {
        group: f"Hparams({', '.join(f'{field}={values[field]!r}' for field in fields if field in values)})"
        for group, fields in FIELDS.items()
    }
    model = ModelHparams(model_name=name, model_init=values["model_init"], batchnorm_init=values["batchnorm_init"])
    return {**groups, "model": str(model)}


def digest(name: str, *groups: str, **changes: object) -> str:
    found = texts(name, **changes)
    return hashlib.md5(";".join(found[group] for group in groups).encode()).hexdigest()


def test_cifar_resnet_20_leads_to_the_known_names():
    assert digest("cifar_resnet_20", "dataset", "model", "training") == "71bc92a970b64a76d7ab7681764b0021"
    lottery = digest("cifar_resnet_20", "dataset", "model", "pruning", "training")
    assert lottery == "93bc65d66dfa64ffaf2a0ab105433a2c"
    warmup = digest("cifar_resnet_20", "dataset", "model", "pruning", "training", warmup_steps="20ep")
    assert warmup == "4e7b9ee929e8b1c911c5295233e6828f"


def test_lenet_has_no_momentum_weight_decay_or_milestones():
    assert texts("mnist_lenet_300_100") == {
        "dataset": "Hparams(batch_size=128, dataset_name='mnist')",
        "model": "Hparams(batchnorm_init='uniform', model_init='kaiming_normal', model_name='mnist_lenet_300_100')",
        "pruning": "Hparams(pruning_layers_to_ignore='fc.weight', pruning_strategy='sparse_global')",
        "training": "Hparams(lr=0.1, optimizer_name='sgd', training_steps='40ep')",
    }


def test_vgg_is_the_resnets_preset_without_pruning_the_output_layer():
    vgg, resnet = find_family("cifar_vgg_11").defaults, find_family("cifar_resnet_20").defaults
    assert vgg == {**resnet, "pruning_layers_to_ignore": "fc.weight"}
    assert resnet == find_family("cifar_resnet_18").defaults


def test_imagenet_scales_the_learning_rate_and_warms_up():
    assert texts("imagenet_resnet_50")["training"] == (
        "Hparams(gamma=0.1, lr=0.4, milestone_steps='30ep,60ep,80ep', momentum=0.9, optimizer_name='sgd', "
        "training_steps='90ep', warmup_steps='5ep', weight_decay=0.0001)"
    )
    assert texts("imagenet_resnet_50")["pruning"] == "Hparams(pruning_strategy='sparse_global')"


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_vit_trains_by_adam(size):
    assert texts(f"cifar_vit_{size}")["training"] == (
        "Hparams(gamma=0.1, lr=0.001, milestone_steps='80ep,120ep', optimizer_name='adam', "
        "training_steps='160ep', weight_decay=0.0001)"
    )
