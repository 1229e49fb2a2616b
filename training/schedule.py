"""The learning rate as a function of the step."""

from __future__ import annotations

import bisect
from collections.abc import Callable

import torch

from foundations.step import Step
from training.hparams import TrainingHparams

Schedule = Callable[[int], float]
"""Iteration -> the factor on the learning rate."""


def make_schedule(hparams: TrainingHparams, iterations_per_epoch: int) -> Schedule:
    """Return the schedule: linear warm-up from zero, times gamma for every milestone reached.

    It depends on the iteration alone, so a resumed run needs no state to find its learning rate.
    """

    def iteration_of(text: str) -> int:
        return Step.from_str(text, iterations_per_epoch).iteration

    milestones = sorted(iteration_of(part) for part in (hparams.milestone_steps or "").split(",") if part)
    gamma = 1.0 if hparams.gamma is None else hparams.gamma
    warmup = iteration_of(hparams.warmup_steps) if hparams.warmup_steps else 0

    def factor(iteration: int) -> float:
        rise = min(1.0, iteration / warmup) if warmup else 1.0
        return float(rise * gamma ** bisect.bisect_right(milestones, iteration))

    return factor


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its initial one times a factor; one that lies on the device, in place."""
    for group in optimizer.param_groups:
        rate = group.setdefault("initial_lr", group["lr"]) * factor
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
