"""The state from which an interrupted run goes on, to the same bits as if nothing had happened."""

from __future__ import annotations

import hashlib
import operator
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foundations.checksum import move
from foundations.errors import UnreadableFile, UserError, is_machines_fault
from foundations.messages import LOGGER
from foundations.metric_logger import MetricLogger
from foundations.paths import RunPaths
from foundations.ranks import Ranks
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from training.optimizers import check_moments, fit_to, portable_state
from training.precision import Precision


class TrainingState:
    """Everything that changes while a network trains.

    No random generator is among it: every stream is derived from the step.

    Args:
        start: the step at which training begins.
        minus_infinity_allowed: the parameters in which it means that a weight is pruned.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        start: Step,
        minus_infinity_allowed: Collection[nn.Parameter] = (),
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.precision = precision
        self.logger = MetricLogger()
        self.step = start
        self.minus_infinity_allowed = frozenset(minus_infinity_allowed)
        self.epoch_totals: dict[str, Tensor] = {}
        self.epoch_batches = 0
        self._totals_by_rank: list[dict[str, Tensor]] = []
        self._earlier_seconds = 0.0
        self._started = time.monotonic()

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.model.parameters()).device

    @property
    def seconds(self) -> float:
        """How long training has taken, evaluations and interrupted attempts up to their checkpoints included."""
        return self._earlier_seconds + time.monotonic() - self._started

    def add_terms(self, terms: dict[str, Tensor], share: float = 1.0) -> None:
        """Add a batch's terms to the epoch's totals, in place and without leaving the device.

        Args:
            share: the fraction of the batch that they are an average over.
        """
        for name, term in terms.items():
            if name not in self.epoch_totals:
                self.epoch_totals[name] = torch.zeros_like(term)
            self.epoch_totals[name].add_(term if share == 1.0 else term * share)

    def advance(self) -> None:
        """Count a batch, whose terms have been added, and go on to the next step."""
        self.epoch_batches += 1
        self.step = self.step.next()

    @property
    def _totals(self) -> dict[str, Tensor]:
        """The epoch's totals, of which there are none before its first batch."""
        return self.epoch_totals if self.epoch_batches else {}

    def gather_totals(self, ranks: Ranks) -> None:
        """Take note of the totals of all processes of the run, in their order; each goes on adding to its own."""
        self._totals_by_rank = ranks.collect(_on_cpu(self._totals)) if ranks.size > 1 else []

    def digest(self) -> str:
        """Return the SHA-256 of all weights."""
        weights = hashlib.sha256()
        for parameter in self.model.parameters():
            weights.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        return weights.hexdigest()

    def share(self, ranks: Ranks) -> None:
        """Give every process of the run the state of its leader."""
        if ranks.size > 1:
            content = ranks.send(_on_cpu(self._content()) if ranks.is_leader else None)
            by_rank = content.get("epoch_totals_by_rank", [])
            if len(by_rank) == ranks.size:
                content["epoch_totals"] = by_rank[ranks.number]
            elif not ranks.is_leader:  # the leader goes on with the sum of all
                content["epoch_totals"] = {name: torch.zeros_like(t) for name, t in content["epoch_totals"].items()}
            self._load(Path("the leader's state"), content)
        self._totals_by_rank = []

    def epoch_averages(self) -> dict[str, float]:
        """Return the averages over the epoch's batches so far; waits for the device.

        Of several processes' parts of batches, if their totals have just been gathered.
        """
        totals = _summed(self._totals_by_rank) or self.epoch_totals
        return {name: float(total) / self.epoch_batches for name, total in totals.items()}

    def forget_epoch(self) -> None:
        """Begin new averages, in the memory of the old ones."""
        for total in self.epoch_totals.values():
            total.zero_()
        self.epoch_batches, self._totals_by_rank = 0, []

    def save(self, paths: RunPaths) -> None:
        """Write the checkpoint, and keep the one before."""
        save_tensors(paths.checkpoint, self._content(), previous=paths.checkpoint_previous)

    def _content(self) -> dict[str, Any]:
        return {
            "ep": self.step.ep,
            "it": self.step.it,
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": portable_state(self.optimizer),
            "scaler_state_dict": self.precision.state_dict(),
            "logger": str(self.logger),
            "seconds": self.seconds,
            "epoch_totals": _summed(self._totals_by_rank) or self._totals,
            "epoch_batches": self.epoch_batches,
            **({"epoch_totals_by_rank": self._totals_by_rank} if self._totals_by_rank else {}),
        }

    def restore(self, paths: RunPaths) -> bool:
        """Load the newest intact checkpoint, if there is any, and warn if a newer one is damaged.

        Returns:
            Whether there was one.

        Raises:
            UserError: if all are damaged, or the newest intact one belongs to another network or optimiser.
        """
        if not paths.checkpoint.exists() and not paths.checkpoint_previous.exists():
            return False
        path, content, damage = _newest_intact(paths)
        self._load(path, content)
        if damage:
            LOGGER.warning("%s; going on from %s, at %s", damage, path.name, self.step)
            # Else the next checkpoint would put the damaged one in the place of the intact one.
            move(path, paths.checkpoint)
        return True

    def _load(self, path: Path, content: Any) -> None:
        try:
            content = _from_openlth(content) if content.keys() == _OF_OPENLTH else content
            fit_to(self.optimizer, content["optimizer_state_dict"])
            self.model.load_state_dict(content["model_state_dict"])
            self.optimizer.load_state_dict(content["optimizer_state_dict"])
            check_moments(self.optimizer)
            self.precision.load_state_dict(content["scaler_state_dict"])
            self.logger = MetricLogger.parse(content["logger"], str(path))
            per_epoch = self.step.iterations_per_epoch
            self.step = Step(operator.index(content["ep"] * per_epoch + content["it"]), per_epoch)
            totals = content["epoch_totals"].items()
            self.epoch_totals = {name: total.to(self.device).reshape(()) for name, total in totals}
            self.epoch_batches = operator.index(content["epoch_batches"])
            self._totals_by_rank = list(content.get("epoch_totals_by_rank", []))
            self._earlier_seconds = float(content["seconds"])
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            if is_machines_fault(error):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            remedy = "delete it to train this level from its start"
            raise UnreadableFile(path, f"not a checkpoint of this run ({reason})", remedy) from None


_OF_OPENLTH = {"ep", "it", "model_state_dict", "optimizer_state_dict", "logger"}


def _from_openlth(content: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenLTH's checkpoint, which is of a whole epoch, would be as one of this project.

    Its network is wrapped together with the masks, which it applies before each pass: so after its latest step pruned
    weights may not be 0.
    """
    saved = content["model_state_dict"]
    masks = {name.removeprefix("mask_").replace("___", "."): mask for name, mask in saved.items() if "___" in name}
    weights = {name.removeprefix("model."): tensor for name, tensor in saved.items() if name.startswith("model.")}
    kept = {name: tensor * masks[name] if name in masks else tensor for name, tensor in weights.items()}
    between_epochs = {"scaler_state_dict": {}, "epoch_totals": {}, "epoch_batches": 0, "seconds": 0.0}
    return {**content, **between_epochs, "model_state_dict": kept}


def _summed(totals: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in totals]).sum(dim=0) for name in totals[0]} if totals else {}


def _on_cpu(content: Any) -> Any:
    if isinstance(content, Tensor):
        return content.cpu()
    if isinstance(content, dict):
        return {key: _on_cpu(value) for key, value in content.items()}
    return [_on_cpu(value) for value in content] if isinstance(content, list) else content


def _newest_intact(paths: RunPaths) -> tuple[Path, Any, str]:
    """Return a checkpoint, what it holds, and what is wrong with a newer one."""
    damages: list[str] = []
    for path in (paths.checkpoint, paths.checkpoint_previous):
        if damages and not path.exists():
            break
        try:
            return path, load_tensors(path), "; ".join(damages)
        except UnreadableFile as error:
            if error.is_transient:
                raise
            damages.append(f"{error.path}: {error.reason}")
    names = " and ".join(path.name for path in (paths.checkpoint, paths.checkpoint_previous) if path.exists())
    raise UserError(f"{'; '.join(damages)}; delete {names} to train this level from its start")
