"""One training step, from a batch's bytes to updated and masked weights."""

from __future__ import annotations

import torch
from torch import Tensor

from datasets import Loader
from foundations.randomness import RandomStreams
from foundations.ranks import speaking
from training.checkpoint import TrainingState
from training.finite import LossWatch
from training.objective import Objective, RepeatableObjective
from training.parallel.team import Team
from training.schedule import Schedule, set_learning_rate


class TrainingStep:
    """Takes the steps of a training run, all of them in the same memory.

    What differs between steps comes from the host and is little: seeds and the learning rate. All else is
    `_compute`, the same work on the device every time.

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
    ) -> None:
        self._state = state
        self._objective = objective
        self._schedule = schedule
        self._loader = loader
        self._streams = streams
        self._team = team
        self._watch = watch
        self._batches = loader.batches()

    def make_ready(self) -> None:
        """Wait for the batch of the state's step; nothing of the state changes."""
        self._batches.make_ready(self._state.step.ep, self._state.step.it)

    def take(self) -> None:
        """Train on the batch that is ready, and go on to the next step.

        Raises:
            Diverged: on the CPU, if the loss is not finite.
        """
        state = self._state
        set_learning_rate(state.optimizer, self._schedule(state.step.iteration))
        # Layers that draw for themselves, such as dropout, get a stream of their own at every step.
        torch.manual_seed(self._streams.seed("layers", state.step.iteration))
        if isinstance(self._objective, RepeatableObjective):
            self._objective.prepare(state.step)
        self._compute(self._loader.size_of_batch(state.step.it))
        self._watch.look()
        state.advance()

    def _compute(self, size: int) -> None:
        state, team = self._state, self._team
        images, labels = self._batches.take(size)
        state.model.train()
        state.optimizer.zero_grad()
        share = team.share_of_batch(size)
        team.exchange.begin(share)
        with speaking():
            terms = self._gradient(images, labels)
            team.exchange.finish(state.model.parameters())
        self._watch.note(terms["loss"])
        state.add_terms(terms, share)
        state.precision.step(state.optimizer)

    def _gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        if isinstance(self._objective, RepeatableObjective):
            return self._objective.add_gradient(images, labels)
        return self._objective.backward(images, labels, self._state.step)
