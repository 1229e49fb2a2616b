"""What the processes of one run do that do not lead it: wait for tasks, and do them along with the leader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from foundations.interruption import interruption_requests
from foundations.ranks import Ranks
from foundations.step import Step
from pruning import Mask

if TYPE_CHECKING:
    from training.run import TrainingRun


class Task(Protocol):
    """Something that all processes of a run do at once; it travels as a pickle."""

    def follow(self, ranks: Ranks) -> None:
        """Do it along with the leader."""
        ...


@dataclass(frozen=True)
class TrainingTask:
    """A training that the leader's processes join; the state comes from the leader when it begins.

    Args:
        run: the training, without what is the leader's own.
        frozen: the names of the parameters that are not trained.
        threads: how many compute on the CPU.
    """

    run: TrainingRun
    mask: Mask
    start: Step
    frozen: frozenset[str]
    threads: int

    @staticmethod
    def of(run: TrainingRun, model: nn.Module, mask: Mask, start: Step) -> TrainingTask:
        """Return the task of joining a run of the leader's."""
        frozen = frozenset(name for name, parameter in model.named_parameters() if not parameter.requires_grad)
        return TrainingTask(run.without_ranks(), mask, start, frozen, torch.get_num_threads())

    def follow(self, ranks: Ranks) -> None:
        """Train along."""
        torch.set_num_threads(self.threads)
        run = replace(self.run, context=self.run.context.on(ranks))
        model = run.new_network(seed=0)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in self.frozen)
        run.train_along(model, self.mask, self.start)


def follow(ranks: Ranks) -> None:
    """Do what the leader says, until it needs nobody any more.

    Raises:
        Interrupted: if a signal asked for a stop; the leader has saved what was reached.
        RankLost: if the leader or another process is gone.
    """
    while (task := _next_task(ranks)) is not None:
        task.follow(ranks)


def _next_task(ranks: Ranks) -> Task | None:
    # Signals find this process waiting, in code that cannot be interrupted; the leader gets them, too.
    with interruption_requests():
        task: Task | None = ranks.send()
    return task
