"""Numbers that are no longer finite stop a run before anything is written from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.ranks import Ranks
from foundations.step import Step
from training.checkpoint import TrainingState


class Diverged(UserError):
    """The loss or a weight is not finite: the same command would end at the same step again.

    Args:
        what: what is not finite.
    """

    def __init__(self, paths: RunPaths, what: str, step: Step) -> None:
        super().__init__(
            f"{paths.directory}: training diverged: {what} at {step} is infinite or not a number. The last good "
            "checkpoint is kept, but leads here again: try a lower --lr, or --precision=fp32 if it is another"
        )


class LossWatch:
    """Notes the first iteration whose loss is not finite.

    Neither an accelerator nor another process is waited for: they are asked when `check` is called. On the CPU alone
    every loss is looked at.

    Args:
        start: the step of the first batch.
        device: where the losses are.
        ranks: the processes of the run, each with losses of its own; None for this one alone.
    """

    def __init__(self, paths: RunPaths, start: Step, device: torch.device, ranks: Ranks | None = None) -> None:
        self._paths = paths
        self._start = start
        self._ranks = ranks or Ranks()
        self._waits = device.type == "cpu" and self._ranks.size == 1
        self._poison = torch.zeros((), device=device)  # 0, and NaN from the first such loss on
        self._finite = torch.zeros((), dtype=torch.int64, device=device)

    def note(self, loss: Tensor) -> None:
        """Take note of a step's loss, on the device."""
        self._poison += 0 * loss
        self._finite += self._poison == 0

    def look(self) -> None:
        """Look at the losses so far if that makes nobody wait.

        Raises:
            Diverged: if one was not finite.
        """
        if self._waits:
            self.check()

    def check(self) -> None:
        """Look at the losses so far, those of all processes.

        Raises:
            Diverged: if one was not finite.
        """
        finite = None if bool(self._poison == 0) else int(self._finite)
        found = [iterations for iterations in self._ranks.collect(finite) if iterations is not None]
        if found:
            step = Step(self._start.iteration + min(found), self._start.iterations_per_epoch)
            raise Diverged(self._paths, "the loss", step)


def check_finite(state: TrainingState, paths: RunPaths) -> None:
    """Check the network and the epoch's averages, from which files are made.

    Raises:
        Diverged: naming a tensor that holds infinity or not a number.
    """
    tensors = {**_tensors_of(state.model), **{f"the average of train_{k}": v for k, v in state.epoch_totals.items()}}
    if (name := _not_finite(tensors, state.minus_infinity_allowed)) is not None:
        raise Diverged(paths, name, state.step)


def check_network(model: nn.Module, minus_infinity_allowed: Collection[Tensor], path: Path) -> None:
    """Check a network that was read from a file.

    Raises:
        UserError: naming the file and a tensor that holds infinity or not a number.
    """
    if (name := _not_finite(_tensors_of(model), minus_infinity_allowed)) is not None:
        raise UserError(f"{path}: {name} holds numbers that are infinite or not a number")


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()}


def _not_finite(tensors: Mapping[str, Tensor], minus_infinity_allowed: Collection[Tensor]) -> str | None:
    """Return the name of a tensor that holds infinity or not a number; one look at the device serves all."""
    allowed = {id(tensor) for tensor in minus_infinity_allowed}
    found = {name: _greatest(tensor, id(tensor) in allowed) for name, tensor in tensors.items()}
    greatest = torch.stack(list(found.values())).tolist() if found else []
    return next((name for name, value in zip(found, greatest, strict=True) if not value < torch.inf), None)


def _greatest(tensor: Tensor, minus_infinity_allowed: bool = False) -> Tensor:
    """Return the greatest magnitude, or value if -inf is allowed; not a number if any entry is none."""
    lowest, highest = torch.aminmax(tensor.detach())
    return (highest if minus_infinity_allowed else torch.maximum(-lowest, highest)).float()
