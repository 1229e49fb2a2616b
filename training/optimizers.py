"""The optimisers that can be chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from foundations.registry import Registry

if TYPE_CHECKING:
    from training.hparams import TrainingHparams

ParameterGroups = list[dict[str, Any]]
"""What torch's optimisers take: dicts with `params` and whatever differs from the defaults."""

OptimizerFactory = Callable[[ParameterGroups, "TrainingHparams"], torch.optim.Optimizer]

OPTIMIZERS: Registry[OptimizerFactory] = Registry("optimizer_name")


@OPTIMIZERS.register("sgd")
def sgd(groups: ParameterGroups, hparams: TrainingHparams) -> torch.optim.Optimizer:
    """Return stochastic gradient descent with the momentum of either kind."""
    return torch.optim.SGD(
        groups,
        fused=_all_on_cuda(groups),
        lr=hparams.lr,
        momentum=hparams.momentum or hparams.nesterov_momentum,
        nesterov=hparams.nesterov_momentum > 0,
        weight_decay=hparams.weight_decay or 0.0,
    )


@OPTIMIZERS.register("adam")
def adam(groups: ParameterGroups, hparams: TrainingHparams) -> torch.optim.Optimizer:
    """Return Adam, whose weight decay is an L2 penalty, as in OpenLTH."""
    decay = hparams.weight_decay or 0.0
    return torch.optim.Adam(groups, lr=hparams.lr, weight_decay=decay, fused=_all_on_cuda(groups))


def _all_on_cuda(groups: ParameterGroups) -> bool:
    """Return whether the step can be one kernel, which also needs no word from the device under fp16."""
    return all(parameter.is_cuda for group in groups for parameter in group["params"])
