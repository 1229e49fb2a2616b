"""The weights of finished runs, by the prunable tensors' names."""

from __future__ import annotations

import torch
from torch import Tensor

from foundations.errors import UserError
from foundations.step import Step
from training import TrainingRun


@torch.no_grad()
def weights_at(run: TrainingRun, step: Step) -> dict[str, Tensor]:
    """Return the prunable weights as they were saved at a step; of random weights, what stands first for them.

    Raises:
        UserError: if the network was not saved, is damaged, or is another.
    """
    prunable = run.variant.prunable(run.load_network(step))
    return {name: parameters[0].parameter.detach().clone() for name, parameters in prunable.items()}


def initial_step(run: TrainingRun) -> Step:
    """Return the step from which a run was trained: the first at which its network was saved.

    Raises:
        UserError: if no network was saved.
    """
    kept = run.paths.models()
    if not kept:
        raise UserError(f"{run.paths.directory}: the networks at the start and the end are not there")
    return min(run.step(f"{epoch}ep{iteration}it") for epoch, iteration in kept)
