"""A look at training data through a network that is not trained by it: for pruning, and for analyses."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from torch import Tensor, nn

from datasets import Batch, Loader
from foundations.randomness import RandomStreams, default_generator_seeded
from foundations.step import Step
from training.data import load_train_for
from training.objective import Objective, TrainingCircumstances, loss_of
from training.placement import place
from training.precision import Precision
from training.run import TrainingRun


def training_batches(run: TrainingRun, purpose: str) -> Iterator[Batch]:
    """Iterate over batches of a run's training data, epoch after epoch without an end, on its device.

    Args:
        purpose: what they are for; the same one has the same batches, which training does not see in this order.
    """
    return endless_batches(probing_loader(run, purpose))


def probing_loader(run: TrainingRun, purpose: str) -> Loader:
    """Load a run's training data for a look at them, on its device; see `training_batches`."""
    streams, context = _streams(run, purpose), run.context.without_ranks()
    return load_train_for(run.model_hparams, run.dataset_hparams, streams, context, None)


def endless_batches(loader: Loader) -> Iterator[Batch]:
    """Iterate over the batches of a loader, epoch after epoch from the first one."""
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
    loader = probing_loader(run, purpose)
    circumstances = TrainingCircumstances(
        num_examples=loader.num_examples,
        streams=streams,
        precision=Precision("fp32", run.context.device),
        loss=loss_of(run.training_hparams.objective, run.training_hparams),
    )
    objective = run.variant.objective(model, circumstances)
    looked_at = itertools.islice(endless_batches(loader), batches)
    return mean_gradient(objective, model, looked_at, loader.iterations_per_epoch, streams)


def mean_gradient(
    objective: Objective, model: nn.Module, batches: Iterable[Batch], per_epoch: int, streams: RandomStreams
) -> dict[str, Tensor]:
    """Return the gradient of an objective of a network, by parameter, averaged over batches, on the CPU.

    Args:
        per_epoch: how many batches an epoch has.
        streams: where layers that draw for themselves, such as dropout, get their numbers from.
    """
    model.zero_grad()
    count = 0
    for images, labels in batches:
        with default_generator_seeded(streams.seed("layers", count)):
            objective.backward(images, labels, Step(count, per_epoch))
        count += 1
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name: (gradient / count).cpu() for name, gradient in found.items()}


def _streams(run: TrainingRun, purpose: str) -> RandomStreams:
    return replace(run.streams, level=f"{run.streams.level}/{purpose}")
