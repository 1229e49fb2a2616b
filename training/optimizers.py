"""The optimisers that can be chosen by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.hparams import OPTIMIZERS, ParameterGroups, TrainingHparams


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


def fit_to(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Check that a state is of such an optimiser, and leave it to this one's device whether steps are fused.

    Raises:
        ValueError: if it is of another.
    """
    # torch itself loads the state of any optimiser into any other and fails at the next step.
    for group, own in zip(saved["param_groups"], optimizer.param_groups, strict=True):
        foreign = sorted(set(group) - set(own) - {"initial_lr"})
        if foreign:
            raise ValueError(f"another optimiser's, with {', '.join(foreign)}")
        if "fused" in own:
            group["fused"] = own["fused"]


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Check that what an optimiser remembers has the shape of its weights.

    Raises:
        ValueError: naming what has not.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim() > 0 and value.shape != parameter.shape:
                raise ValueError(f"the optimiser's {name} has another shape than the weights")
