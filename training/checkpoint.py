"""The state from which an interrupted run goes on, to the same bits as if nothing had happened."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from training.logger import MetricLogger
from training.precision import Precision


class TrainingState:
    """Everything that changes while a network trains.

    No random generator is among it: every stream is derived from the step.

    Args:
        start: the step at which training begins.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, precision: Precision, start: Step) -> None:
        self.model = model
        self.optimizer = optimizer
        self.precision = precision
        self.logger = MetricLogger()
        self.step = start
        self.epoch_totals: dict[str, Tensor] = {}
        self.epoch_batches = 0
        self._earlier_seconds = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long training has taken, evaluations and interrupted attempts up to their checkpoints included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def add_terms(self, terms: dict[str, Tensor]) -> None:
        """Add a batch's terms to the epoch's totals, without leaving the device."""
        for name, term in terms.items():
            self.epoch_totals[name] = self.epoch_totals[name] + term if name in self.epoch_totals else term
        self.epoch_batches += 1

    def epoch_averages(self) -> dict[str, float]:
        """Return the averages over the epoch's batches so far; waits for the device."""
        return {name: float(total) / self.epoch_batches for name, total in self.epoch_totals.items()}

    def forget_epoch(self) -> None:
        """Begin new averages."""
        self.epoch_totals, self.epoch_batches = {}, 0

    def save(self, paths: RunPaths) -> None:
        """Write the checkpoint."""
        content: dict[str, Any] = {
            "ep": self.step.ep,
            "it": self.step.it,
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scaler_state_dict": self.precision.state_dict(),
            "logger": str(self.logger),
            "seconds": self.seconds,
            "epoch_totals": self.epoch_totals,
            "epoch_batches": self.epoch_batches,
        }
        save_tensors(paths.checkpoint, content)

    def restore(self, paths: RunPaths) -> bool:
        """Take up the checkpoint, if there is one.

        Returns:
            Whether there was one.

        Raises:
            UserError: if it is damaged or belongs to another network or optimiser.
        """
        if not paths.checkpoint.exists():
            return False
        content = load_tensors(paths.checkpoint)
        try:
            _check_same_optimizer(content["optimizer_state_dict"], self.optimizer)
            self.model.load_state_dict(content["model_state_dict"])
            self.optimizer.load_state_dict(content["optimizer_state_dict"])
            self.precision.load_state_dict(content["scaler_state_dict"])
            self.logger = MetricLogger.parse(content["logger"], str(paths.checkpoint))
            per_epoch = self.step.iterations_per_epoch
            self.step = Step(content["ep"] * per_epoch + content["it"], per_epoch)
            device = next(self.model.parameters()).device
            self.epoch_totals = {name: total.to(device) for name, total in content["epoch_totals"].items()}
            self.epoch_batches = content["epoch_batches"]
            self._earlier_seconds = float(content["seconds"])
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{paths.checkpoint}: not a checkpoint of this run ({reason}); "
                "delete it to train this level from its start"
            ) from None
        return True


def _check_same_optimizer(saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    # torch itself loads the state of any optimiser into any other and fails at the next step.
    for group, own in zip(saved["param_groups"], optimizer.param_groups, strict=True):
        foreign = sorted(set(group) - set(own) - {"initial_lr"})
        if foreign:
            raise ValueError(f"another optimiser's, with {', '.join(foreign)}")
