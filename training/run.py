"""Train one network under one mask into one directory."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from datasets import DatasetHparams, EvaluationLoader, ExtraTests, iterations_per_epoch, num_classes
from foundations.atomic import sweep_temporaries
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.hparams import Hparams
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.sink import SinkRun
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from models import ModelHparams
from pruning import Mask, MaskEnforcement
from training.callbacks import Callback, evaluate, in_turn, show_progress, standard_callbacks
from training.checkpoint import TrainingState
from training.data import extra_tests_for, load_test_for, load_train_for, load_training_set_for, load_validation_for
from training.evaluation import Evaluator
from training.finite import Diverged, check_network
from training.graphs import release
from training.hparams import TrainingHparams
from training.loop import train
from training.objective import TrainingCircumstances, loss_of
from training.optimizers import make_schedule
from training.own_callbacks import CallbackCircumstances, own_callbacks, save_every
from training.placement import compiled, place
from training.precision import Precision
from training.progress import Progress
from training.sinks import SinkFeed
from training.team import Team, check_batch
from training.variant import ModelVariant

LOSS_EVERY = 10


@dataclass(frozen=True)
class TrainingRun:
    """One training of one network: what, on which data, how, and where the results go.

    Args:
        further_hparams: what else the experiment is described by, such as how it prunes; for those who look on.
        num_outputs: gives the number of the network's outputs; None for as many as the data set has classes.
    """

    paths: RunPaths
    label: str
    variant: ModelVariant
    model_hparams: ModelHparams
    dataset_hparams: DatasetHparams
    training_hparams: TrainingHparams
    streams: RandomStreams
    context: RunContext
    further_hparams: Mapping[str, Hparams] = field(default_factory=dict)
    num_outputs: Callable[[], int] | None = None

    def step(self, text: str) -> Step:
        """Return the step of a text, counted in this run's epochs."""
        return Step.from_str(text, iterations_per_epoch(self.dataset_hparams))

    @property
    def end(self) -> Step:
        """The step at which training ends."""
        return self.step(self.training_hparams.training_steps)

    @property
    def outputs(self) -> int:
        """The number of the network's outputs."""
        return num_classes(self.dataset_hparams) if self.num_outputs is None else self.num_outputs()

    @property
    def is_done(self) -> bool:
        """Whether the results are there already."""
        return self.paths.is_finished and self.paths.model(self.end).exists()

    def new_network(self, seed: int) -> nn.Module:
        """Return a newly initialised network."""
        return self.variant.build(self.model_hparams, self.outputs, seed)

    def load_network(self, step: Step, into: nn.Module | None = None) -> nn.Module:
        """Return the network as it was saved at a step.

        Args:
            into: a network that gets the weights, instead of a new one.

        Raises:
            UserError: if it has not been saved, is damaged, or is another network, or a number in it is not finite.
        """
        path, model = self.paths.model(step), self.new_network(seed=0) if into is None else into
        try:
            model.load_state_dict(load_tensors(path))
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: does not fit {self.model_hparams.model_name}: {reason}") from None
        check_network(model, self._may_be_minus_infinity(model), path)
        return model

    def _may_be_minus_infinity(self, model: nn.Module) -> list[nn.Parameter]:
        parts = itertools.chain.from_iterable(self.variant.prunable(model).values())
        return [part.parameter for part in parts if part.pruned_value == -math.inf]

    def evaluator(self) -> Evaluator:
        """Return what measures networks on this run's test set."""
        data, order_seed, context = self.dataset_hparams, self.training_hparams.data_order_seed, self.context
        return Evaluator(
            variant=self.variant,
            test=load_test_for(self.model_hparams, data, context),
            train=load_train_for(self.model_hparams, data, self.streams, context, order_seed),
            streams=self.streams,
            precision=Precision(self.training_hparams.arithmetic, context.device),
            context=context,
            recalibrated=self.training_hparams.recalibrate_batchnorm,
        )

    def validation_examples(self) -> EvaluationLoader:
        """Load the training examples that are held out.

        Raises:
            UserError: if there are none, or they cannot be had.
        """
        return load_validation_for(self.model_hparams, self.dataset_hparams, self.context)

    def training_set(self) -> EvaluationLoader:
        """Load the training examples, to measure networks on them.

        Raises:
            UserError: if they cannot be had.
        """
        return load_training_set_for(self.model_hparams, self.dataset_hparams, self.context)

    def extra_tests(self) -> ExtraTests:
        """Return the shifted test examples, and what is out of distribution."""
        return extra_tests_for(self.model_hparams, self.dataset_hparams, self.context)

    def without_ranks(self) -> TrainingRun:
        """Return what another process of the run has to know of it."""
        outputs = functools.partial(int, self.outputs)  # which only the leader may be able to look up
        return replace(self, context=self.context.without_ranks(), further_hparams={}, num_outputs=outputs)

    @property
    def groups(self) -> dict[str, Hparams]:
        """The groups of hyperparameters by name, as far as this process knows them."""
        own = {
            "dataset_hparams": self.dataset_hparams,
            "model_hparams": self.model_hparams,
            "training_hparams": self.training_hparams,
        }
        return {**self.further_hparams, **own}

    def describe(self, start: Step) -> SinkRun:
        """Return what sinks are told of this run if it goes on from a step."""
        directory, root = self.paths.directory, self.context.root
        config: dict[str, Any] = {name: asdict(group) for name, group in self.groups.items()}
        config |= {"replicate": self.streams.replicate, "level": self.streams.level, "variant": self.variant.name}
        name = directory.relative_to(root).as_posix() if root in directory.parents else directory.name
        return SinkRun(self.paths, name, start, config)

    def train(self, model: nn.Module, mask: Mask, start: Step) -> None:
        """Train a network from a step to the end, unless that has been done already and only the start has got lost.

        Args:
            model: the network at `start`, changed in place.
            mask: which of its weights are kept.

        Raises:
            Interrupted: if a signal asked for it; training can be resumed.
            Diverged: if a number is no longer finite.
        """
        if self.is_done:
            if not self.paths.model(start).exists():
                save_tensors(self.paths.model(start), model.state_dict())
            return
        ranks = self.context.ranks
        self.variant.check_objective(self.training_hparams)
        self.variant.check_sharing(self.context.sharing, ranks)
        check_batch(self.dataset_hparams.batch_size, self.context.example_ranks)
        sweep_temporaries(self.paths.directory)
        frozen = frozenset(name for name, parameter in model.named_parameters() if not parameter.requires_grad)
        self.paths.diverged.unlink(missing_ok=True)
        try:
            with ranks.leading(_train_along, self.without_ranks(), mask, start, frozen):
                self._train_together(model, mask, start)
        except Diverged as error:
            if self.paths.checkpoint.exists():  # else nothing is left of a run that is refused
                self.paths.diverged.write_text(f"{error}\n")
            raise
        finally:
            release(self.context.device)  # before the next level's network comes

    def _train_together(self, model: nn.Module, mask: Mask, start: Step) -> None:
        """Train as one of the run's processes, all of which are here; the leader alone reads and writes results."""
        team = Team.of(self.context)
        ranks = team.ranks
        model = place(model, self.context)
        evaluator = ranks.leader_first(self.evaluator)  # which may have to download the data
        ranks.check_same(f"{self.paths.directory}: the mask", mask.digest())
        circumstances = TrainingCircumstances(
            num_examples=evaluator.train.num_examples,
            streams=team.noise_of_samples(self.streams),
            precision=evaluator.precision,
            exchange=team.exchange,
            sample_ranks=team.sample_ranks,
            loss=loss_of(self.training_hparams.objective, self.training_hparams),
            samples_at_once=self.context.samples_at_once,
            compiled=functools.partial(compiled, context=self.context),
            steps=self.end.iteration - start.iteration,
        )
        optimizer = self.variant.optimizer(model, self.training_hparams, circumstances)
        MaskEnforcement(optimizer, self.variant.prunable(model), mask)
        progress = Progress(self.label, self.end, self.context.quiet, self.context.report_to)
        feed = SinkFeed(self.context.sinks, self.describe)
        with contextlib.closing(progress):
            try:
                train(
                    TrainingState(model, optimizer, evaluator.precision, start, self._may_be_minus_infinity(model)),
                    self.variant.objective(model, circumstances),
                    make_schedule(self.training_hparams, start.iterations_per_epoch),
                    evaluator.train,
                    team.noise_of_layers(self.streams),
                    self.end,
                    self._callbacks(evaluator, progress, feed, start),
                    self.paths,
                    team,
                    self.context,
                )
            finally:
                feed.close(self.is_done)

    def _callbacks(self, evaluator: Evaluator, progress: Progress, feed: Callback, start: Step) -> list[Callback]:
        ranks = self.context.ranks
        test = evaluate("test", evaluator, progress, self.paths)
        if self.dataset_hparams.validation_fraction is not None:
            held_out = evaluator.on(ranks.leader_first(self.validation_examples))
            test = in_turn(test, evaluate("validation", held_out, progress, self.paths))
        if self.context.evaluate_train:
            trained_on = evaluator.on(ranks.leader_first(self.training_set))
            test = in_turn(test, evaluate("train_set", trained_on, progress, self.paths))
        # Each look at the losses waits for the device, and shows this process's alone.
        looks = self.context.device.type == "cpu" and ranks.size == 1
        at_end = self.context.evaluate_only_at_end
        standard = standard_callbacks(self.paths, start, self.end, test, progress, at_end, feed, ranks)
        circumstances = CallbackCircumstances(self.paths, start, self.end, evaluator, ranks.is_leader, self.groups)
        own = own_callbacks(self.context.callbacks, circumstances)
        if self.context.save_every is not None:
            own.append(save_every(self.context.save_every, circumstances))
        # The standard ones end with the file that says "done".
        return [show_progress(progress, LOSS_EVERY if looks else 0), *own, *standard]


def _train_along(ranks: Ranks, run: TrainingRun, mask: Mask, start: Step, frozen: frozenset[str]) -> None:
    """Train along with the leader, from which the state comes.

    Args:
        frozen: the names of the parameters that are not trained.
    """
    run = replace(run, context=run.context.on(ranks))
    model = run.new_network(seed=0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    run._train_together(model, mask, start)
