"""The error along the line between two trained copies of a ticket: linear mode connectivity (Frankle et al. 2020)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from foundations.errors import InvalidValue, UserError
from foundations.hparams import Hparams
from open_lth.branch.base import BRANCHES, Branch
from open_lth.branch.fork import Fork, with_usual_spelling
from training import place


@BRANCHES.register("connect")
class Connect(Branch):
    """Measures networks on the line between the two that `fork` has trained."""

    parts = ()

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "connect"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "measure the error along the line between the two copies that fork has trained"

    def branch_function(self, fork_at: str = "", points: int = 31) -> None:
        """Look for both copies.

        Weights, and of random ones means and log stds, are interpolated; the statistics of BatchNorm are recomputed.

        Args:
            fork_at: that of fork.
            points: how many networks on the line are measured, the two at its ends among them.
        """
        if points < 2:
            raise InvalidValue("points", points, "must be at least 2, the ends of the line")
        if not self._fork.is_done:
            flag = f" --fork_at={fork_at}" if fork_at else ""
            raise UserError(
                f"level {self.level} (replicate {self.lottery.replicate}): its two copies are not there yet; "
                f"run lottery_branch fork --levels={self.level}{flag} with the same flags first"
            )

    def identity(self) -> Hparams:
        """Return the arguments, those of fork in their usual spelling."""
        return with_usual_spelling(self.branch_hparams, self.lottery.desc)

    @functools.cached_property
    def _fork(self) -> Fork:
        group: Any = Fork.hparams_class()
        return Fork(self.lottery, self.level, group(fork_at=self.arguments()["fork_at"]))

    def results(self) -> Mapping[str, Any]:
        """Return `alpha`, where on the line, with `error` and `loss` there.

        Beside these, the same in every row: `instability`, that of the error, and `loss_instability`; how far the ends
        are from each other (`l2`, and of posteriors `symmetric_kl`); their mean `accuracy`; the ticket's `density`; and
        the step at which they parted.
        """
        runs, context = self._fork.trainings(), self.lottery.context
        one, other = (place(run.load_network(run.end), context) for run in runs)
        evaluator, between = runs[0].without_ranks().evaluator(), place(runs[0].load_network(runs[0].end), context)
        variant, count = self.lottery.variant, self.arguments()["points"]
        alphas = [index / (count - 1) for index in range(count)]
        errors, losses = [], []
        for alpha in alphas:
            interpolate(one, other, alpha, between)
            variant.recompute_statistics(between, evaluator.calibration_images)
            measured = evaluator.evaluate(between, runs[0].end)
            errors.append(1 - measured["accuracy"])
            losses.append(measured["loss"])
        found: dict[str, Any] = {"instability": instability(errors), "loss_instability": instability(losses)}
        step = self._fork.step(self.arguments()["fork_at"])
        found |= {"accuracy": 1 - (errors[0] + errors[-1]) / 2, "density": self.mask().density}
        found |= {"fork_at": str(step), "iteration": step.iteration, **variant.distances(one, other)}
        return {**found, "alpha": alphas, "error": errors, "loss": losses}


@torch.no_grad()
def interpolate(one: nn.Module, other: nn.Module, alpha: float, into: nn.Module) -> None:
    """Give a network the weights (1 - alpha) one + alpha other; what both have alike, -inf included, stays as it is."""
    ends = one.state_dict(), other.state_dict()
    for name, tensor in into.state_dict().items():
        a, b = (end[name] for end in ends)
        tensor.copy_(_between(a, b, alpha) if a.is_floating_point() else a)


def _between(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return torch.where(a == b, a, torch.lerp(a, b, alpha))


def instability(measures: Sequence[float]) -> float:
    """Return how far the greatest measure along a line lies above the mean of those at its ends.

    The linear interpolation instability of Frankle et al. (2020), "Linear Mode Connectivity and the Lottery Ticket
    Hypothesis", section 2; two networks count as connected below 0.02 of the error.
    """
    return max(measures) - (measures[0] + measures[-1]) / 2
