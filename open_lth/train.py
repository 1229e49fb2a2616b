"""The runner of single training runs."""

from __future__ import annotations

from dataclasses import dataclass

from foundations.context import RunContext
from foundations.lock import exclusive
from foundations.paths import ExperimentPaths, RunPaths
from foundations.randomness import RandomStreams
from open_lth.descs import TrainDesc
from open_lth.provenance import save_command, save_hparams
from open_lth.refusal import nothing_left_if_refused
from pruning import Mask, prunable_shapes
from training import TrainingRun


@dataclass(frozen=True)
class TrainRunner:
    """One replicate of one training run."""

    desc: TrainDesc
    replicate: int
    context: RunContext

    @property
    def paths(self) -> RunPaths:
        """Where the run's files lie."""
        return ExperimentPaths(self.context.root, self.desc.name, self.replicate).main()

    def training(self) -> TrainingRun:
        """Return the training."""
        return TrainingRun(
            paths=self.paths,
            label="main",
            variant=self.desc.variant,
            model_hparams=self.desc.model_hparams,
            dataset_hparams=self.desc.dataset_hparams,
            training_hparams=self.desc.training_hparams,
            streams=RandomStreams(self.replicate),
            context=self.context,
        )

    def run(self) -> None:
        """Train, unless that has been done already.

        Raises:
            Interrupted: if Ctrl-C was pressed.
            RunIsLocked: if another process is at it.
        """
        training = self.training()
        if training.is_done:
            return
        directory = self.paths.directory
        with exclusive(directory), nothing_left_if_refused(directory, self.context.root):
            save_hparams(self.paths, self.desc.display())
            save_command(self.paths, self.context)
            model = training.new_network(training.streams.seed("initial_weights"))
            mask = Mask.ones(prunable_shapes(training.variant.prunable(model)))
            training.train(model, mask, self.desc.step("0it"))
