"""Descriptors: everything that tells one experiment from another, and the name that follows from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import ClassVar

from datasets import DatasetHparams, iterations_per_epoch, num_classes
from foundations.hparams import Hparams, hashed_name
from foundations.step import Step
from models import ModelHparams
from pruning import PruningHparams
from training import VARIANTS, Deterministic, ModelVariant, TrainingHparams, VariantHparams


@dataclass(frozen=True, kw_only=True)
class Desc:
    """What every experiment has; its groups enter its name in the order of their fields' names."""

    prefix: ClassVar[str]
    title: ClassVar[str]

    dataset_hparams: DatasetHparams
    model_hparams: ModelHparams
    training_hparams: TrainingHparams
    variant_hparams: VariantHparams | None = None

    def groups(self) -> dict[str, Hparams]:
        """Return the groups that are there, ordered by field name."""
        values = {name: getattr(self, name) for name in sorted(f.name for f in fields(self))}
        return {name: value for name, value in values.items() if value is not None}

    @functools.cached_property
    def name(self) -> str:
        """The experiment's directory: `<prefix>_<md5>`."""
        return hashed_name(self.prefix, self.groups().values())

    def display(self) -> str:
        """Return the hyperparameters as people read them."""
        return "\n".join(
            group.display(f"Pretraining {group.title}" if name.startswith("pretrain_") else "")
            for name, group in self.groups().items()
        )

    @functools.cached_property
    def variant(self) -> ModelVariant:
        """The variant."""
        if self.variant_hparams is None:
            return Deterministic()
        return VARIANTS.get(self.variant_hparams.variant_name)(self.variant_hparams)

    @property
    def num_classes(self) -> int:
        """The number of the network's outputs."""
        return num_classes(self.dataset_hparams)

    def step(self, text: str) -> Step:
        """Return the step of a text, counted in epochs of the training data."""
        return Step.from_str(text, iterations_per_epoch(self.dataset_hparams))


@dataclass(frozen=True, kw_only=True)
class TrainDesc(Desc):
    """One training run."""

    prefix: ClassVar[str] = "train"
    title: ClassVar[str] = "Training Run"


@dataclass(frozen=True, kw_only=True)
class LotteryDesc(Desc):
    """A lottery ticket experiment: what to prune by, and the pretraining or rewinding before level 0."""

    prefix: ClassVar[str] = "lottery"
    title: ClassVar[str] = "Lottery Ticket Experiment"

    pruning_hparams: PruningHparams
    pretrain_dataset_hparams: DatasetHparams | None = None
    pretrain_training_hparams: TrainingHparams | None = None

    @functools.cached_property
    def start(self) -> Step:
        """The step at which every level starts, to whose weights pruned networks are rewound."""
        pretraining = self.pretrain_training_hparams
        return self.step("0it" if pretraining is None else pretraining.training_steps)
