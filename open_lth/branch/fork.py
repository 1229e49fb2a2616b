"""Two copies of a ticket, trained under different noise of SGD, as in instability analysis (Frankle et al. 2020)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from foundations.errors import InvalidValue, UserError
from foundations.hparams import Hparams
from foundations.step import Step, parse_step
from open_lth.branch.base import BRANCHES, Branch
from open_lth.runners.descs import LotteryDesc


@BRANCHES.register("fork")
class Fork(Branch):
    """Trains two copies of the level's network from one step, each with its own order of the data and its own noise."""

    parts = ("1", "2")

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "fork"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "train two copies of the ticket under different orders of the data, for connect to compare"

    def branch_function(self, fork_at: str = "") -> None:
        """Train both copies.

        Args:
            fork_at: the step of the level's training from which both go on, one that lottery --save_every has kept
                (default: the step to which the lottery rewinds).
        """
        if self.lottery.desc.training_hparams.data_order_seed is not None:
            raise UserError("--data_order_seed: fixes the order of the data, which two copies have to differ in")
        step, mask = self.step(fork_at), self.mask()
        for part in self.parts:
            self.train(self.network_at(step), mask, step, part)

    def identity(self) -> Hparams:
        """Return the argument in its usual spelling."""
        return with_usual_spelling(self.branch_hparams, self.lottery.desc)

    def step(self, fork_at: str) -> Step:
        """Return the step of a text; the lottery's own if it is empty."""
        desc = self.lottery.desc
        try:
            parse_step(fork_at or "0it")
        except ValueError as error:
            raise InvalidValue("fork_at", fork_at, str(error)) from None
        step = desc.step(fork_at) if fork_at else desc.start
        if not desc.start <= step < self.training().end:
            reason = f"must be from {desc.start} on, where the level starts, and before {self.training().end}"
            raise InvalidValue("fork_at", fork_at, reason)
        return step

    def network_at(self, step: Step) -> nn.Module:
        """Return the level's network at a step.

        Raises:
            InvalidValue: if it has not been kept.
        """
        kept = self.lottery.paths(self.level)
        if not kept.model(step).exists():
            steps = ", ".join(f"{ep}ep{it}it" for ep, it in kept.models())
            reason = (
                f"level {self.level} has kept its network at {steps} alone; lottery --save_every={step} keeps more, "
                "but trains nothing that is finished: choose another --replicate or --root"
            )
            raise InvalidValue("fork_at", str(step), reason)
        return self.lottery.load_network(self.level, step)


def with_usual_spelling(hparams: Hparams, desc: LotteryDesc) -> Hparams:
    """Return arguments with `fork_at` as most people write it: in epochs if these are whole, else in iterations.

    The lottery's own step is the default, which says nothing.
    """
    group: Any = hparams
    try:
        step = desc.step(group.fork_at)
    except ValueError:
        return hparams  # nothing, or a mistake, which the branch refuses
    usual = f"{step.iteration}it" if step.it else f"{step.ep}ep"
    spelled: Hparams = replace(group, fork_at="" if step == desc.start else usual)
    return spelled
