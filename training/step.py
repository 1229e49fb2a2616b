"""One training step, from a batch's bytes to updated and masked weights."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from datasets import Batches, Loader
from foundations.context import RunContext
from foundations.randomness import RandomStreams, seed_default_generators
from foundations.ranks import raising_rank_lost
from training.checkpoint import TrainingState
from training.finite import LossWatch
from training.graphs import Graphs, Repetition
from training.objective import Objective, RepeatableObjective
from training.optimizers import Schedule, is_capturable, let_capture, set_learning_rate
from training.team import Team


class TrainingStep:
    """Takes the steps of a training run, all of them in the same memory.

    What differs between steps comes from the host and is little: seeds, the learning rate, and an epoch's order. All
    else, from a batch's bytes to updated and masked weights, is the same work every time, and on a GPU one graph for
    each size of batch, which is replayed.

    Args:
        streams: those of layers that draw for themselves, such as dropout.
        watch: takes note of losses that are not finite.
    """

    def __init__(
        self,
        state: TrainingState,
        objective: Objective,
        schedule: Schedule,
        loader: Loader,
        streams: RandomStreams,
        team: Team,
        watch: LossWatch,
        context: RunContext,
    ) -> None:
        self.state = state
        self._objective = objective
        self._schedule = schedule
        self._loader = loader
        self._streams = streams
        self._team = team
        self._watch = watch
        self._context = context
        self._batches = loader.batches()
        self._factor: float | None = None
        self._work: dict[int, Repetition[None]] = {}
        self._graphs = Graphs.of(context, "training steps", obstacles(state, objective, self._batches, team))
        if Graphs.are_possible(state.device) and is_capturable(state.optimizer):
            let_capture(state.optimizer)  # wanted or not: so both compute with the same numbers

    def make_ready(self) -> None:
        """Wait for the batch of the state's step; nothing of the state changes."""
        self._batches.make_ready(self.state.step.ep, self.state.step.it)

    def take(self) -> None:
        """Train on the batch that is ready, and go on to the next step.

        Raises:
            Diverged: on the CPU, if the loss is not finite.
        """
        step = self.state.step
        if self._factor != (factor := self._schedule(step.iteration)):
            set_learning_rate(self.state.optimizer, factor)
            self._factor = factor
        self._prepare()
        self._work_on(self._loader.size_of_batch(step.it))()
        self._watch.look()
        self.state.advance()

    def _prepare(self) -> None:
        step = self.state.step
        # Layers that draw for themselves, such as dropout, get a stream of their own at every step.
        seed_default_generators(self._streams.seed("layers", step.iteration), self.state.device)
        if isinstance(self._objective, RepeatableObjective):
            self._objective.prepare(step)

    def _work_on(self, size: int) -> Repetition[None]:
        if size not in self._work:
            generators = self._objective.generators if isinstance(self._objective, RepeatableObjective) else ()
            self._work[size] = self._graphs.repeated(
                functools.partial(self._compute, size), generators, anew=self._prepare
            )
        return self._work[size]

    def _compute(self, size: int) -> None:
        state, team = self.state, self._team
        images, labels = self._batches.take(size)
        state.model.train()
        state.optimizer.zero_grad()
        share = team.share_of_batch(size)
        team.exchange.begin(share)
        with raising_rank_lost():
            terms = self._gradient(images, labels)
            team.exchange.finish(state.model.parameters())
        if self._context.gradient_norms:
            terms = {**terms, "gradient_norm": self._gradient_norm()}
        self._watch.note(terms["loss"])
        state.add_terms(terms, share)
        state.precision.step(state.optimizer)

    def _gradient_norm(self) -> Tensor:
        gradients = [p.grad for p in self.state.model.parameters() if p.grad is not None]
        norm = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]).norm()
        # What fp16 scaled too much is skipped, not diverged.
        unscaled: Tensor = norm / self.state.precision.scale(torch.ones_like(norm))
        return unscaled.nan_to_num(0.0, 0.0, 0.0)

    def _gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if isinstance(self._objective, RepeatableObjective):
            return self._objective.add_gradient(images, labels)
        return self._objective.backward(images, labels, self.state.step)


def obstacles(state: TrainingState, objective: Objective, batches: Batches, team: Team) -> Iterator[str]:
    """Yield the reasons why steps cannot be captured."""
    if team.ranks.size > 1:
        yield "several processes train the network together"
    if state.precision.scales_losses:
        yield "fp16 looks at the gradients to scale the loss"
    if not batches.stay_in_place:
        yield "the images stream from the disk"
    if not isinstance(objective, RepeatableObjective):
        yield f"the objective {type(objective).__name__} may do something else at every step"
    elif objective.varies:
        yield objective.varies
    if not is_capturable(state.optimizer):
        yield f"the optimiser {type(state.optimizer).__name__} keeps numbers that change on the host"
