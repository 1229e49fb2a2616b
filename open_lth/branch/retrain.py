"""The ticket under other hyperparameters."""

from __future__ import annotations

from datasets import DatasetHparams, iterations_per_epoch, num_classes
from foundations.errors import InvalidValue
from foundations.step import Step
from open_lth.branch.base import BRANCHES, Branch
from training import TrainingHparams, TrainingRun, check_images_fit


@BRANCHES.register("retrain")
class Retrain(Branch):
    """Trains the level's ticket on other data or in another way."""

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "retrain"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "train the level's ticket on other data or under other training hyperparameters"

    def training(self) -> TrainingRun:
        """Return the training by the branch's own hyperparameters."""
        values = self.arguments()
        return self.lottery.training_in(self.paths, self.level, values["retrain_d"], values["retrain_t"])

    def branch_function(
        self, retrain_d: DatasetHparams, retrain_t: TrainingHparams, start_at_step_zero: bool = False
    ) -> None:
        """Train the ticket again.

        Args:
            retrain_d: the data to train on.
            retrain_t: how to train.
            start_at_step_zero: begin the new schedule at step 0 even if the trunk rewinds to a later step.
        """
        desc = self.lottery.desc
        try:
            check_images_fit(desc.model_hparams, retrain_d)
        except InvalidValue as error:
            raise error.prefixed("retrain_d") from None
        try:
            self.lottery.variant.check_objective(retrain_t)
        except InvalidValue as error:
            raise error.prefixed("retrain_t") from None
        if num_classes(retrain_d) != desc.num_classes:
            raise InvalidValue(
                "retrain_d_dataset_name",
                retrain_d.dataset_name,
                f"has {num_classes(retrain_d)} classes, but the ticket was found with {desc.num_classes}",
            )
        first = 0 if start_at_step_zero else desc.start.iteration
        start = Step(first, iterations_per_epoch(retrain_d))
        if start >= self.training().end:
            steps = retrain_t.training_steps
            raise InvalidValue("retrain_t_training_steps", steps, f"must reach beyond {start}, where training starts")
        self.train(self.load_network(self.level, desc.start), self.mask(), start)
