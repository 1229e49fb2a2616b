"""The optimisers that can be chosen by name, and their learning rate as a function of the step."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from foundations.step import Step
from training.hparams import OPTIMIZERS, ParameterGroups, TrainingHparams

Schedule = Callable[[int], float]
"""Iteration -> the factor on the learning rate."""


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


def is_capturable(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether all numbers that change from step to step can lie on the device."""
    if type(optimizer) is torch.optim.SGD:  # it counts no steps, and its one kernel reads the learning rate there
        return all(group["fused"] for group in optimizer.param_groups)
    return all("capturable" in group for group in optimizer.param_groups)


def let_capture(optimizer: torch.optim.Optimizer) -> None:
    """Put all numbers that change from step to step on the device, where a captured step finds them."""
    optimizer._warned_capturable_if_run_uncaptured = True  # the first steps are, on purpose
    for group in optimizer.param_groups:
        device = group["params"][0].device
        group.setdefault("initial_lr", float(group["lr"]))
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
        if "capturable" in group:
            group["capturable"] = True
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if isinstance(state.get("step"), Tensor):
                state["step"] = state["step"].to(device)


def portable_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimiser's state as it is where steps are not captured."""
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
    return state


def fit_to(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Check that a state is of such an optimiser, and give it this one's settings, which are the command's.

    Another version of PyTorch may know settings that this one does not: such as are off are left out, or stay off.

    Raises:
        ValueError: if it is of another optimiser, or settings are on that this version does not have.
    """
    # torch itself loads the state of any optimiser into any other and fails at the next step.
    for group, own in zip(saved["param_groups"], optimizer.param_groups, strict=True):
        foreign = {name for name in set(group) - set(own) - {"initial_lr"} if not _is_off(group.pop(name))}
        lacking = {name for name in set(own) - set(group) - {"initial_lr"} if not _is_off(own[name])}
        if foreign or lacking:
            differing = ", ".join(sorted(foreign or lacking))
            raise ValueError(f"another optimiser's, or of another version of PyTorch, by {differing}")
        is_torchs = type(optimizer).__module__.startswith("torch.optim")
        if is_torchs:
            group["initial_lr"] = float(own.get("initial_lr", own["lr"]))
        # Others may keep what changes among their settings; how steps are computed is this one's device's in any case.
        kept = own.keys() - {"params", "lr", "initial_lr"} if is_torchs else own.keys() & {"fused", "capturable"}
        group |= {name: own[name] for name in kept}


def _is_off(setting: object) -> bool:
    return setting is None or setting is False


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Check that what an optimiser remembers has the shape of its weights.

    Raises:
        ValueError: naming what has not.
    """
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim() > 0 and value.shape != parameter.shape:
                raise ValueError(f"the optimiser's {name} has another shape than the weights")


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


def unreached_changes(hparams: TrainingHparams, iterations_per_epoch: int) -> list[str]:
    """Return, as flags, the milestones that training ends before, and the warm-up that it ends within."""
    end = Step.from_str(hparams.training_steps, iterations_per_epoch)

    def is_beyond(text: str) -> bool:
        return Step.from_str(text, iterations_per_epoch) >= end

    milestones = [part for part in (hparams.milestone_steps or "").split(",") if part and is_beyond(part)]
    found = [f"--milestone_steps={','.join(milestones)}"] if milestones else []
    return [*found, f"--warmup_steps={hparams.warmup_steps}"] if is_beyond(hparams.warmup_steps or "0it") else found


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to its initial one times a factor; one that lies on the device, in place."""
    for group in optimizer.param_groups:
        rate = group.setdefault("initial_lr", group["lr"]) * factor
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
