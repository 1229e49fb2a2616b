"""The lottery ticket experiment: train, prune, rewind, level after level (Frankle and Carbin 2019)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from datasets import DatasetHparams, num_classes
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.paths import PRETRAIN, ReplicatePaths, Rewinding, RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from open_lth.runners.descs import LotteryDesc
from open_lth.runners.outputs import outputs_of
from pruning import Mask, check_same_tensors, prunable_shapes
from training import ModelVariant, TrainingHparams, TrainingRun


@dataclass(frozen=True)
class Lottery:
    """One replicate of one lottery ticket experiment.

    Args:
        rewind: what is rewound after pruning. Weights and learning rate schedule (iterative magnitude pruning), or the
            schedule alone while training goes on from the learned weights (learning rate rewinding, Renda et al. 2020),
            whose levels lie beside the others and share level 0 with them.
    """

    desc: LotteryDesc
    replicate: int
    context: RunContext
    rewind: Rewinding = Rewinding.WEIGHTS

    @property
    def variant(self) -> ModelVariant:
        """The variant."""
        return self.desc.variant

    @functools.cached_property
    def directories(self) -> ReplicatePaths:
        """Where this replicate's directories lie."""
        return ReplicatePaths(self.context.root, self.desc.name, self.replicate)

    def paths(self, level: int | str) -> RunPaths:
        """Return where a level's files lie."""
        shared = level in (0, PRETRAIN)
        return self.directories.level(level, Rewinding.WEIGHTS.value if shared else self.rewind.value)

    def streams(self, level: int | str) -> RandomStreams:
        """Return a level's random streams."""
        return RandomStreams(self.replicate, level)

    def new_network(self, seed: int) -> nn.Module:
        """Return a newly initialised network."""
        return self.training(0).new_network(seed)

    def load_network(self, level: int | str, step: Step, into: nn.Module | None = None) -> nn.Module:
        """Return the network as it was saved at a level and step.

        Args:
            into: a network that gets the weights, instead of a new one.

        Raises:
            UserError: if it has not been saved, or does not fit the network.
        """
        if level == PRETRAIN:
            self.check_pretraining_fits(step)
        run = self.pretraining() if level == PRETRAIN else self.training(level)
        self._check_there(run.paths.model(step).exists(), level)
        return run.load_network(step, into)

    def check_pretraining_fits(self, step: Step) -> None:
        """Check that the network of pretraining can stand for the lottery's own.

        Args:
            step: at which it is asked for.

        Raises:
            UserError: if it has another output layer.
        """
        if self.pretraining().outputs != self.num_outputs:
            reason = "it was pretrained on another number of classes"
            first = f"the first that fit are those at {self.desc.start}"
            raise UserError(f"the trunk has no weights at {step}: {reason}; {first}")

    @functools.cached_property
    def num_outputs(self) -> int:
        """The number of the network's outputs."""
        return outputs_of(self.paths(0).model(self.desc.start), self.desc.model_hparams, self.desc.num_classes)

    @functools.cached_property
    def prunable_shapes(self) -> Mapping[str, torch.Size]:
        """The shapes of the prunable tensors, by name."""
        try:
            with torch.device("meta"):  # without memory for weights
                return self._prunable_shapes_of(self.new_network(seed=0))
        except Exception:  # a layer or an initialiser, perhaps a plugin's, has to see numbers
            return self._prunable_shapes_of(self.new_network(seed=0))

    def _prunable_shapes_of(self, network: nn.Module) -> Mapping[str, torch.Size]:
        return prunable_shapes(self.variant.prunable(network))

    def load_mask(self, level: int) -> Mask:
        """Return a level's mask.

        Raises:
            UserError: if there is none yet, it is damaged, or does not fit the network.
        """
        path = self.paths(level).mask
        self._check_there(path.exists(), level)
        return self.mask_at(path)

    def mask_at(self, path: Path) -> Mask:
        """Return the mask in a file.

        Raises:
            UserError: if it is damaged, or does not fit the network.
        """
        mask = Mask.load(path)
        check_same_tensors(mask, self.prunable_shapes, str(path))
        return mask

    def training(self, level: int | str) -> TrainingRun:
        """Return the training of a level."""
        return self.training_in(self.paths(level), level)

    def pretraining(self) -> TrainingRun:
        """Return the training before level 0."""
        dataset_hparams, training_hparams = self.desc.pretrain_dataset_hparams, self.desc.pretrain_training_hparams
        run = self.training_in(self.paths(PRETRAIN), PRETRAIN, dataset_hparams, training_hparams)
        own = run.paths.model(run.step("0it")), self.desc.model_hparams, num_classes(run.dataset_hparams)
        return dataclasses.replace(run, num_outputs=lambda: outputs_of(*own))

    def training_in(
        self,
        paths: RunPaths,
        level: int | str,
        dataset_hparams: DatasetHparams | None = None,
        training_hparams: TrainingHparams | None = None,
        variant: ModelVariant | None = None,
    ) -> TrainingRun:
        """Return a training of this network in any directory, with a level's random streams.

        What is not given is as in the lottery itself.
        """
        return TrainingRun(
            paths=paths,
            label=f"level_{level}/{paths.directory.name[:32]}",
            variant=variant or self.variant,
            model_hparams=self.desc.model_hparams,
            dataset_hparams=dataset_hparams or self.desc.dataset_hparams,
            training_hparams=training_hparams or self.desc.training_hparams,
            streams=self.streams(level),
            context=self.context,
            further_hparams=self.desc.groups(),
            num_outputs=lambda: self.num_outputs,
        )

    def _check_there(self, exists: bool, level: int | str) -> None:
        if not exists:
            raise UserError(
                f"level {level} of {self.desc.name} (replicate {self.replicate}) is not there yet; "
                f"run the lottery command with the same hyperparameters and --levels={level} first"
            )
