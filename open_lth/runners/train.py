"""The runner of single training runs."""

from __future__ import annotations

from dataclasses import dataclass

from foundations.context import RunContext
from foundations.paths import ReplicatePaths, RunPaths
from foundations.randomness import RandomStreams
from open_lth.runners.descs import TrainDesc
from open_lth.runners.once import is_whole, train_once
from open_lth.runners.outputs import outputs_of
from open_lth.runners.provenance import save_command, save_hparams
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
        return ReplicatePaths(self.context.root, self.desc.name, self.replicate).main()

    def training(self) -> TrainingRun:
        """Return the training."""
        own = self.paths.model(self.desc.step("0it")), self.desc.model_hparams, self.desc.num_classes
        return TrainingRun(
            paths=self.paths,
            label="main",
            variant=self.desc.variant,
            model_hparams=self.desc.model_hparams,
            dataset_hparams=self.desc.dataset_hparams,
            training_hparams=self.desc.training_hparams,
            streams=RandomStreams(self.replicate),
            context=self.context,
            further_hparams=self.desc.groups(),
            num_outputs=lambda: outputs_of(*own),
        )

    def run(self) -> None:
        """Train, unless that has been done already.

        Raises:
            Interrupted: if a signal asked for it.
            RunIsLocked: if another process is at it.
        """

        def is_done() -> bool:
            return self.training().is_done and is_whole(self.paths)

        train_once(self.paths.directory, self.context, is_done, self._run)

    def _run(self) -> None:
        training = self.training()
        model = training.new_network(training.streams.seed("initial_weights"))
        if (remark := training.variant.remark(model)) and not self.context.quiet:
            print(remark, flush=True)
        save_hparams(self.paths, self.desc.display())
        save_command(self.paths, self.context)
        training.train(model, Mask.ones(prunable_shapes(training.variant.prunable(model))), self.desc.step("0it"))
