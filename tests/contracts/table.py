"""The table of minimal settings: a row for every registered entry, over which the contract tests run.

An installed plugin adds rows for its own entries by the entry-point group `open_lth.contracts`: a mapping like `ROWS`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bayesian.estimators import ESTIMATORS
from bayesian.hparams import OPTIMIZERS as POSTERIOR_OPTIMIZERS
from datasets import CORRUPTIONS, DATASETS, OOD_CHANGES, OWN_DATASETS, STREAMED_DATASETS
from models import MODEL_FAMILIES
from open_lth.branch import BRANCHES
from open_lth.command import COMMANDS, read_command
from pruning import STRATEGIES
from training import OBJECTIVES, OPTIMIZERS, VARIANTS

Words = tuple[str, ...]

BASE: Words = (
    "--default_hparams=cifar_resnet_8_4",
    "--dataset_name=cifar10",
    "--batch_size=4",
    "--training_steps=3it",
    "--evaluate_only_at_end",
    "--pruning_layers_to_ignore=fc.weight",
)
"""A ResNet-8 of width 4 on a CIFAR-10 of 20 training and 4 test images; a row's words are added and win."""

LENET: Words = ("--default_hparams=mnist_lenet_12", "--dataset_name=mnist")
FEW_IMAGES: Words = ("--batch_size=2", "--subsample_fraction=0.2", "--training_steps=2it")
RETRAINING: Words = (
    "--retrain_d_dataset_name=cifar10",
    "--retrain_d_batch_size=5",
    "--retrain_t_training_steps=2it",
    "--retrain_t_optimizer_name=sgd",
    "--retrain_t_lr=0.1",
)
BAYESIAN: Words = ("--bayesian", "--bayesian_samples=2")

REGISTRIES: Mapping[str, Any] = {
    "subcommand": {name: command for name, command in COMMANDS.items() if command.has_trainings},
    "model": MODEL_FAMILIES,
    "variant": VARIANTS,
    "dataset": DATASETS,
    "streamed dataset": STREAMED_DATASETS,
    "own dataset": OWN_DATASETS,
    "strategy": STRATEGIES,
    "branch": BRANCHES,
    "estimator": ESTIMATORS,
    "posterior optimizer": dict.fromkeys(POSTERIOR_OPTIMIZERS),
    "optimizer": OPTIMIZERS,
    "objective": OBJECTIVES,
    "corruption": CORRUPTIONS,
    "OOD change": OOD_CHANGES,
}

OF_PLUGINS: list[Mapping[str, Mapping[str, Words]]] = [
    entry.load() for entry in importlib.metadata.entry_points(group="open_lth.contracts")
]

VARIANT_FLAGS: dict[str, Words] = {"deterministic": (), "bayesian": BAYESIAN}
for _rows in OF_PLUGINS:
    VARIANT_FLAGS |= _rows.get("variant", {})
"""The row of every variant; every family, optimiser, strategy and branch is tested with each that it fits."""

ROWS: dict[str, dict[str, Words]] = {
    # What a command that stands for training runs needs besides the flags of a lottery, of which level 1 is there.
    "subcommand": {
        "train": (),
        "lottery": ("--levels=1",),
        "lottery_branch": ("reinit", "--levels=1"),
        "evaluate": ("lottery", "--levels=1", "--passes=2"),
    },
    # A small member of the family, by `--default_hparams`, and images that it takes.
    "model": {
        "cifar_resnet": ("--default_hparams=cifar_resnet_8_4",),
        "cifar_resnet_18": ("--default_hparams=cifar_resnet_18", *FEW_IMAGES),
        "cifar_vgg": ("--default_hparams=cifar_vgg_11_4", *FEW_IMAGES),
        "cifar_vit": ("--default_hparams=cifar_vit_1_32_2", "--pruning_layers_to_ignore=head.weight", *FEW_IMAGES),
        "imagenet_resnet": ("--default_hparams=imagenet_resnet_18_2", "--pruning_layers_to_ignore=model.fc.weight"),
        "mnist_lenet": LENET,
        "timm": ("--default_hparams=timm:test_resnet",),
        "torchvision": ("--default_hparams=torchvision:shufflenet_v2_x0_5",),
    },
    # The flags that make a network of the variant, and a curriculum longer than an epoch.
    "variant": {name: ("--training_steps=7it", *words) for name, words in VARIANT_FLAGS.items()},
    # A network that takes the images; the files are in `data.py`.
    "dataset": {
        "cifar10": (),
        "cifar100": ("--dataset_name=cifar100",),
        "digits": ("--default_hparams=mnist_lenet_12", "--dataset_name=digits"),
        "fashion_mnist": (*LENET, "--dataset_name=fashion_mnist"),
        "mnist": LENET,
        "svhn": ("--dataset_name=svhn",),
    },
    "streamed dataset": {
        "imagenet": (
            "--default_hparams=imagenet_resnet_18_16",  # narrower ones crash in oneDNN at 224x224
            "--dataset_name=imagenet",
            "--pruning_layers_to_ignore=model.fc.weight",
        ),
    },
    # What it is and where: `data.py` writes it.
    "own dataset": {
        "folder": ("--dataset_name=folder", "--dataset_dir={dataset_root}/own", "--image_size=32"),
        "npz": ("--default_hparams=mnist_lenet_12", "--dataset_name=npz", "--dataset_dir={dataset_root}/own.npz"),
    },
    # The strategy's own flags besides its name.
    "strategy": {
        "sparse_global": (),
        "sparse_random": (),
        "sparse_global_scaled": (),
        "sparse_lamp": (),
        "sparse_layerwise": (),
        "sparse_snip": (),
        "sparse_grasp": (),
        "sparse_synflow": (),
        "sparse_global_snr": (),
        "sparse_global_square": (),
        "sparse_global_mu": (),
        "sparse_global_mu_scaled": (),
        "sparse_lamp_mu": (),
        "sparse_layerwise_mu": (),
        "sparse_global_snr_shuffled": (),
        "sparse_global_snr_of_layers": (),
        "sparse_global_snr_of_filters": (),
        "sparse_global_snr_released": (),
        # At equal stds it prunes whole layers, those of small fan-in first; here there is one layer to prune.
        "sparse_global_square_released": LENET,
    },
    # The branch's own flags, those that it requires at least.
    "branch": {
        "randomly_prune": ("--seed=3", "--strategy=even"),
        "randomly_reinitialize": (),
        "retrain": RETRAINING,
        "transplant": ("--bayesian_samples=2",),
        "oneshot": ("--strategy=sparse_snip",),
        "fork": (),
        "connect": ("--points=3",),
    },
    # Flags besides the estimator's name and two samples.
    "estimator": {"weights": (), "antithetic": (), "local_reparameterization": (), "recycled": ()},
    # Flags besides the name and two samples.
    "posterior optimizer": {"bayes_by_backprop": (), "ivon": ()},
    # Flags besides the optimiser's name.
    "optimizer": {"sgd": ("--momentum=0.9", "--lr=0.1", "--weight_decay=1e-4"), "adam": ("--lr=0.001",)},
    # Flags besides the objective's name.
    "objective": {"cross_entropy": ()},
    # Flags of a network whose images it can change; the files are in `data.py`.
    "corruption": dict.fromkeys(("gaussian_noise", "blur", "contrast", "brightness", "pixelation", "rotation"), ()),
    "OOD change": dict.fromkeys(("rotated", "inverted", "noised"), ()),
}
for _rows in OF_PLUGINS:
    for _registry, _own in _rows.items():
        if _registry != "variant":
            ROWS[_registry] |= _own


BEFORE: dict[str, Words] = {"connect": ("fork",)}
"""The branches that a branch needs the results of."""

WITHOUT_LOTTERY = ("subcommand", "corruption", "OOD change")
"""Registries whose entries have tests of their own kind."""

LARGE = "model-cifar_resnet_18-"
"""How the cases of the one family without a small member begin: their tests are slow."""


@dataclass(frozen=True)
class Case:
    """A lottery of levels 0 and 1, and a branch off level 1."""

    name: str
    words: Words
    branch: Words = ("randomly_reinitialize",)


def missing(registry: str) -> list[str]:
    """Return the entries without a row."""
    return sorted({name for name, _ in REGISTRIES[registry].items()} - set(ROWS[registry]))


def unknown(registry: str) -> list[str]:
    """Return the rows without an entry."""
    return sorted(set(ROWS[registry]) - {name for name, _ in REGISTRIES[registry].items()})


def cases() -> list[Case]:
    """Return what the generic tests run over; rows of entries that do not exist are left to another test."""
    return [
        case
        for registry in ROWS
        if registry not in WITHOUT_LOTTERY
        for name in ROWS[registry]
        if name in REGISTRIES[registry]
        for case in _cases_of(registry, name, ROWS[registry][name])
    ]


def _cases_of(registry: str, name: str, row: Words) -> list[Case]:
    label = f"{registry}-{name}".replace(" ", "_")
    if registry in ("variant", "dataset", "streamed dataset", "own dataset"):
        return [Case(label, (*BASE, *row))]
    if registry in ("estimator", "posterior optimizer"):
        return [Case(label, (*BASE, *BAYESIAN, f"--bayesian_{registry.split()[-1]}={name}", *row))]
    return [
        Case(f"{label}-{variant}", *_settings(registry, name, row, variant))
        for variant in _fitting_variants(registry, name)
    ]


def _settings(registry: str, name: str, row: Words, variant: str) -> tuple[Words, Words]:
    words, branch = (*BASE, *VARIANT_FLAGS[variant]), ("randomly_reinitialize",)
    if registry == "branch":
        return words, (name, *row)
    if registry == "model":
        # Every family's tickets can be transplanted.
        return (*words, *row), ("transplant", *ROWS["branch"]["transplant"]) if variant == "deterministic" else branch
    flag = {"strategy": "pruning_strategy", "optimizer": "optimizer_name", "objective": "objective"}[registry]
    return (*words, f"--{flag}={name}", *row), branch


def _fitting_variants(registry: str, name: str) -> list[str]:
    if registry == "objective":
        return [variant for variant in VARIANT_FLAGS if name in (VARIANTS.get(variant).objectives or (name,))]
    entry = REGISTRIES[registry].get(name)
    fitting = {"strategy": lambda: entry.variants, "branch": lambda: entry.trunk_variants}.get(registry, tuple)()
    return [variant for variant in VARIANT_FLAGS if fits(variant, fitting)]


def fits(variant: str, variants: Collection[str]) -> bool:
    """Return whether a variant is, or has weights like, one of some variants; none of them means all."""
    return not variants or not {*VARIANTS.get(variant).compatible_variants()}.isdisjoint(variants)


def read_trainings(command: str, *words: str) -> list[Any]:
    """Return the training runs that a command stands for."""
    return read_command((command, *words))[0]
