"""The lottery ticket experiment: train, prune, rewind, level after level (paper section 3)."""

from __future__ import annotations

import enum
import warnings
from dataclasses import dataclass

from torch import nn

from datasets import DatasetHparams, num_classes
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.paths import ExperimentPaths, RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from foundations.storage import save_tensors
from models import find_family
from open_lth.descs import LotteryDesc
from open_lth.once import do_once
from open_lth.provenance import save_command, save_hparams
from pruning import STRATEGIES, LayerPrunedAway, Mask, apply_mask, check_same_tensors, prunable_shapes
from training import ModelVariant, TrainingHparams, TrainingRun

PRETRAIN = "pretrain"


class Rewinding(enum.Enum):
    """What is rewound after pruning; the value names the levels' directories."""

    WEIGHTS = "main"
    LEARNING_RATE = "lrr"


@dataclass(frozen=True)
class Lottery:
    """One replicate of one lottery ticket experiment.

    Args:
        rewind: what is rewound after pruning. Weights and learning rate schedule (iterative magnitude pruning), or the
            schedule alone while training goes on from the learned weights (learning rate rewinding, Renda et al. 2020;
            paper appendix B), whose levels lie beside the others and share level 0 with them.
    """

    desc: LotteryDesc
    replicate: int
    context: RunContext
    rewind: Rewinding = Rewinding.WEIGHTS

    def run(self, levels: int) -> None:
        """Find the tickets of levels 0 to `levels`; what is there already is not made again.

        Raises:
            Interrupted: if a signal asked for it.
            RunIsLocked: if another process is at it.
        """

        def is_done() -> bool:
            return self.paths(0).hparams.exists() and all(map(self._is_complete, range(levels + 1)))

        do_once(self.directories.directory, self.context, is_done, lambda: self._run(levels))

    def _run(self, levels: int) -> None:
        if levels > 0 and not self.paths(0).mask.exists():
            self._try_pruning()
        save_hparams(self.paths(0), self.desc.display())
        if self.desc.pretrain_training_hparams is not None:
            self._pretrain()
        self._establish_initial_weights()
        for level in range(levels + 1):
            self._prune(level)
            self._train(level)

    def _try_pruning(self) -> None:
        """Prune an untrained network, so that a mistake in the flags comes out before the first level is trained."""
        model = self.new_network(seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LayerPrunedAway)
            self._pruned(1, model, self._full_mask(model))

    def _is_complete(self, level: int) -> bool:
        paths = self.paths(level)
        return self.training(level).is_done and paths.mask.exists() and paths.model(self.desc.start).exists()

    # The stages: each returns at once if its output exists.

    def _pretrain(self) -> None:
        run = self.pretraining()
        if not run.is_done:
            model = run.new_network(self.streams(0).seed("initial_weights"))
            save_command(run.paths, self.context)
            run.train(model, self._full_mask(model), run.step("0it"))

    def _establish_initial_weights(self) -> None:
        path = self.paths(0).model(self.desc.start)
        if not path.exists():
            if self.paths(0).logger.exists():
                raise UserError(
                    f"{path}: missing, though level 0 was trained from it, and new weights may be others; "
                    f"put a copy of it back, or delete {self.directories.directory} to begin again"
                )
            model = self.new_network(self.streams(0).seed("initial_weights"))
            if self.desc.pretrain_training_hparams is not None:
                self._take_over_pretrained_weights(model)
            save_tensors(path, model.state_dict())

    def _prune(self, level: int) -> None:
        paths = self.paths(level)
        if paths.mask.exists():
            return
        if level == 0:
            self._full_mask(self.new_network(seed=0)).save(paths)
            return
        trained, mask = self.load_network(level - 1, self.training(level - 1).end), self.load_mask(level - 1)
        with warnings.catch_warnings():
            warnings.simplefilter("always", LayerPrunedAway)
            with warnings.catch_warnings(record=True) as caught:
                pruned = self._pruned(level, trained, mask)
            for warning in caught:
                warnings.warn(f"{self.training(level).label}: {warning.message}", warning.category, stacklevel=2)
        pruned.save(paths)
        if not self.context.quiet:
            print(f"level_{level}: {100 * pruned.density:.2f} % of the prunable weights are left", flush=True)

    def _train(self, level: int) -> None:
        run = self.training(level)
        if not self._is_complete(level):
            if level == 0 or self.rewind is Rewinding.WEIGHTS:
                model = self.load_network(0, self.desc.start)
            else:
                model = self.load_network(level - 1, self.training(level - 1).end)
            mask = self.load_mask(level)
            apply_mask(self.variant.prunable(model), mask)
            if run.is_done:  # the weights that it started from are all that is missing
                save_tensors(run.paths.model(self.desc.start), model.state_dict())
            save_command(run.paths, self.context)
            run.train(model, mask, self.desc.start)

    # What the stages, and branches, read.

    @property
    def variant(self) -> ModelVariant:
        """The kind of network."""
        return self.desc.variant

    @property
    def directories(self) -> ExperimentPaths:
        """Where this replicate's directories lie."""
        return ExperimentPaths(self.context.root, self.desc.name, self.replicate)

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

    def load_network(self, level: int | str, step: Step) -> nn.Module:
        """Return the network as it was saved at a level and step.

        Raises:
            UserError: if it has not been saved, or does not fit the network.
        """
        run = self.pretraining() if level == PRETRAIN else self.training(level)
        self._check_there(run.paths.model(step).exists(), level)
        return run.load_network(step)

    def load_mask(self, level: int) -> Mask:
        """Return a level's mask.

        Raises:
            UserError: if there is none yet, it is damaged, or does not fit the network.
        """
        path = self.paths(level).mask
        self._check_there(path.exists(), level)
        mask = Mask.load(path)
        check_same_tensors(mask, prunable_shapes(self.variant.prunable(self.new_network(seed=0))), str(path))
        return mask

    def training(self, level: int | str) -> TrainingRun:
        """Return the training of a level."""
        return self.training_in(self.paths(level), level)

    def pretraining(self) -> TrainingRun:
        """Return the training before level 0."""
        dataset_hparams, training_hparams = self.desc.pretrain_dataset_hparams, self.desc.pretrain_training_hparams
        return self.training_in(self.paths(PRETRAIN), PRETRAIN, dataset_hparams, training_hparams)

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
        )

    def _pruned(self, level: int, trained: nn.Module, mask: Mask) -> Mask:
        hparams = self.desc.pruning_hparams
        generator = self.streams(level).generator("pruning")
        return STRATEGIES.get(hparams.pruning_strategy).prune(hparams, trained, mask, generator)

    def _full_mask(self, model: nn.Module) -> Mask:
        return Mask.ones(prunable_shapes(self.variant.prunable(model)))

    def _check_there(self, exists: bool, level: int | str) -> None:
        if not exists:
            raise UserError(
                f"level {level} of {self.desc.name} (replicate {self.replicate}) is not there yet; "
                f"run the lottery command with the same hyperparameters and --levels={level} first"
            )

    def _take_over_pretrained_weights(self, model: nn.Module) -> None:
        run = self.pretraining()
        state = run.load_network(run.end).state_dict()
        if num_classes(run.dataset_hparams) != self.desc.num_classes:
            # Another task has another output layer: keep the new one.
            output = find_family(self.desc.model_hparams.model_name).output_layer + "."
            state.update({k: v for k, v in model.state_dict().items() if k.startswith(output)})
        model.load_state_dict(state)
