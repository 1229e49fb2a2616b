"""A look at training data through a network that is not trained by it: for pruning, and for analyses."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from datasets import Batch, Loader
from foundations.randomness import RandomStreams, default_generator_seeded
from foundations.step import Step
from training.data import load_train_for
from training.objective import TrainingCircumstances, loss_of
from training.placement import place
from training.precision import Precision
from training.run import TrainingRun


def training_batches(run: TrainingRun, purpose: str) -> Iterator[Batch]:
    """Iterate over batches of a run's training data, epoch after epoch without an end, on its device.

    Args:
        purpose: what they are for; the same one has the same batches, which training does not see in this order.
    """
    loader = _loader(run, _streams(run, purpose))
    return itertools.chain.from_iterable(loader.epoch(number) for number in itertools.count())


def average_gradient(run: TrainingRun, model: nn.Module, batches: int, purpose: str) -> dict[str, Tensor]:
    """Return the gradient of what a run's training minimises, by parameter, averaged over batches, on the CPU.

    The network stays as it is, and is looked at in training mode and single precision, by this process alone. Of a
    stochastic network it is the gradient of the expectation over as many samples as training draws.

    Args:
        purpose: as for `training_batches`.
    """
    run, streams = run.without_ranks(), _streams(run, purpose)
    model = place(copy.deepcopy(model), run.context).train()
    loader = _loader(run, streams)
    circumstances = TrainingCircumstances(
        num_examples=loader.num_examples,
        streams=streams,
        precision=Precision("fp32", run.context.device),
        loss=loss_of(run.training_hparams.objective, run.training_hparams),
    )
    objective = run.variant.objective(model, circumstances)
    model.zero_grad()
    for index, (images, labels) in zip(range(batches), training_batches(run, purpose), strict=False):
        with default_generator_seeded(streams.seed("layers", index)):
            objective.backward(images, labels, Step(index, loader.iterations_per_epoch))
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name: (gradient / batches).cpu() for name, gradient in found.items()}


def _streams(run: TrainingRun, purpose: str) -> RandomStreams:
    return replace(run.streams, level=f"{run.streams.level}/{purpose}")


def _loader(run: TrainingRun, streams: RandomStreams) -> Loader:
    return load_train_for(run.model_hparams, run.dataset_hparams, streams, run.context.without_ranks(), None)
