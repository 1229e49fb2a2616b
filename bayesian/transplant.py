"""Transplantation: a deterministic network's ticket trained as a Bayesian network (paper section 8)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors
from bayesian.hparams import BayesianHparams
from bayesian.ivon import state_names
from bayesian.variant import Bayesian
from foundations.errors import InvalidValue, UserError, one_of
from foundations.randomness import derive_seed
from open_lth.branch import Branch
from pruning import DETERMINISTIC, shuffle_mask
from training import TrainingRun

_STARTS = ("init", "end")


@torch.no_grad()
def take_over_deterministic_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy a deterministic network's state dict: weights become means, the rest is copied, log stds stay.

    Raises:
        UserError: naming the first tensor that is missing, left over, or of another shape.
    """
    tensors = variational_tensors(model)
    targets: dict[str, Tensor] = {name: tensor.mean for tensor in tensors for name in tensor.state_names}
    distributed = {own for tensor in tensors for names in tensor.state_names.values() for own in names}
    distributed |= state_names(model)
    targets |= {name: tensor for name, tensor in model.state_dict().items() if name not in distributed}
    for name in sorted(set(targets) ^ set(state)):
        raise UserError(f"the trunk's network and the Bayesian one differ: only one of them has {name}")
    for name, target in targets.items():
        if target.shape != state[name].shape:
            raise UserError(f"{name} has shape {tuple(state[name].shape)} in the trunk, {tuple(target.shape)} here")
        target.copy_(state[name])


class Transplant(Branch):
    """Trains a deterministic trunk's ticket as a Bayesian network."""

    trunk_variants = (DETERMINISTIC,)

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "transplant"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "train a deterministic ticket as a Bayesian network"

    def training(self) -> TrainingRun:
        """Return the variational training, by the trunk's data and curriculum."""
        return self.lottery.training_in(self.paths, self.level, variant=self._variant())

    def branch_function(
        self, bayesian: BayesianHparams, start_at: str = "init", shuffle_seed: int | None = None
    ) -> None:
        """Train the ticket by variational inference.

        The means are the ticket's weights, the mask is the trunk's, the standard deviations are at their initial
        value, and everything else is copied.

        Args:
            bayesian: the Bayesian network.
            start_at: the weights to take: init (those to which the trunk rewinds) or end (the level's trained ones).
            shuffle_seed: what the mask is shuffled by, within its layers, first: a random ticket of the same layerwise
                densities on level 0's weights, which is the control of what the ticket itself is worth.
        """
        if start_at not in _STARTS:
            raise InvalidValue("start_at", start_at, one_of(_STARTS))
        desc, mask = self.lottery.desc, self.mask()
        weights = desc.start if start_at == "init" else self.training().end
        if shuffle_seed is not None:
            mask = shuffle_mask(mask, "layerwise", derive_seed("shuffle", shuffle_seed, self.level), [])
        donor = self.load_network(self.level if shuffle_seed is None else 0, weights)
        seed = self.lottery.streams(0).seed("initial_weights")
        model = self._variant().build(desc.model_hparams, self.lottery.num_outputs, seed)
        if not self.lottery.context.quiet:
            print(self._variant().remark(model), flush=True)
        take_over_deterministic_state(model, donor.state_dict())
        self.train(model, mask, desc.start)

    def _variant(self) -> Bayesian:
        return Bayesian(self.arguments()["bayesian"])
