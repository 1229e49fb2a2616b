"""Finding the tickets of a lottery: each stage returns at once if its output exists."""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass, replace

import torch
from torch import nn

from foundations.errors import UserError
from foundations.messages import LOGGER
from foundations.paths import Rewinding
from foundations.storage import load_tensors, read_json, save_tensors
from models import find_family
from open_lth.runners.circumstances import circumstances_of
from open_lth.runners.lottery import Lottery
from open_lth.runners.once import is_whole, train_once
from open_lth.runners.provenance import save_command, save_hparams
from pruning import (
    STRATEGIES,
    GlobalPruningHparams,
    Mask,
    PruningHparams,
    apply_mask,
    layers_pruned_away,
    prunable_shapes,
)

_WORTH_SAYING = 60.0
"""Seconds left from which on they are said."""


@dataclass(frozen=True)
class LotteryRunner:
    """Trains, prunes and rewinds, level after level.

    Args:
        levels: the last level.
    """

    lottery: Lottery
    levels: int

    def run(self) -> None:
        """Find the tickets of levels 0 to the last; what is there already is not made again.

        Raises:
            Interrupted: if a signal asked for it.
            RunIsLocked: if another process is at it.
        """

        def is_done() -> bool:
            return self.lottery.paths(0).hparams.exists() and all(map(self._is_complete, range(self.levels + 1)))

        train_once(self.lottery.directories.directory, self.lottery.context, is_done, self._run)

    def _run(self) -> None:
        lottery = self.lottery
        dense = None if self._is_complete(0) else self._initial_network()
        if dense is not None and self.levels > 0 and not lottery.paths(0).mask.exists():
            self._try_pruning(dense)
        save_hparams(lottery.paths(0), lottery.desc.display())
        if dense is not None:
            if (remark := lottery.variant.remark(dense)) and not lottery.context.quiet:
                print(remark, flush=True)
            self._train_dense(dense)
        for level in range(1, self.levels + 1):
            if not self._is_complete(level):
                self._train_ticket(level)

    def _is_complete(self, level: int) -> bool:
        lottery = self.lottery
        paths = lottery.paths(level)
        there = lottery.training(level).is_done and paths.mask.exists() and paths.model(lottery.desc.start).exists()
        return there and is_whole(paths)

    def _initial_network(self) -> nn.Module:
        """Return the network with which level 0 starts, as it was saved; or a new one, which lacks any pretraining."""
        lottery = self.lottery
        if lottery.paths(0).model(lottery.desc.start).exists():
            return lottery.load_network(0, lottery.desc.start)
        return lottery.new_network(lottery.streams(0).seed("initial_weights"))

    def _try_pruning(self, network: nn.Module) -> None:
        """Prune an untrained network, so that a mistake in the flags comes out before the first level is trained."""
        self._pruned(1, network, Mask.ones(self.lottery.prunable_shapes), begun_with=network)

    def _train_dense(self, network: nn.Module) -> None:
        """Pretrain if that is asked for, keep the weights to which all levels are rewound, and train level 0."""
        lottery = self.lottery
        paths = lottery.paths(0)
        if lottery.desc.pretrain_training_hparams is not None:
            self._pretrain()
        if not paths.model(lottery.desc.start).exists():
            if lottery.desc.pretrain_training_hparams is not None:
                self._load_pretrained_weights(network)
            if paths.is_finished:
                self._check_made_again(network)
            save_tensors(paths.model(lottery.desc.start), network.state_dict())
        Mask.ones(lottery.prunable_shapes).save_missing(paths)
        self._train(0, network)

    def _check_made_again(self, network: nn.Module) -> None:
        """Check that new initial weights are those that got lost, by the start of level 1, which has those of its mask.

        Raises:
            UserError: if they are not: another version of PyTorch may draw others.
        """
        lottery, start = self.lottery, self.lottery.desc.start
        path, ticket = lottery.paths(0).model(start), lottery.directories.level(1)
        if not ticket.model(start).exists() or not ticket.mask.exists():
            LOGGER.warning("%s: made again from the seed of the replicate; there is no level 1 to check it by", path)
            return
        again = copy.deepcopy(network)
        apply_mask(lottery.variant.prunable(again), lottery.mask_at(ticket.mask))
        kept = load_tensors(ticket.model(start))
        if not all(torch.equal(tensor, kept[name]) for name, tensor in again.state_dict().items()):
            raise UserError(
                f"{path}: missing, and the weights that this version of PyTorch draws are not those of level 1; "
                f"put a copy of it back, or delete {lottery.directories.directory} to begin again"
            )

    def _pretrain(self) -> None:
        lottery = self.lottery
        run = lottery.pretraining()
        if not run.is_done:
            model = run.new_network(lottery.streams(0).seed("initial_weights"))
            save_command(run.paths, lottery.context)
            run.train(model, Mask.ones(prunable_shapes(lottery.variant.prunable(model))), run.step("0it"))

    def _load_pretrained_weights(self, network: nn.Module) -> None:
        lottery = self.lottery
        run = lottery.pretraining()
        state = run.load_network(run.end).state_dict()
        if run.outputs != lottery.num_outputs:
            # Another task has another output layer: keep the new one.
            output = find_family(lottery.desc.model_hparams.model_name).output_layer + "."
            state.update({k: v for k, v in network.state_dict().items() if k.startswith(output)})
        network.load_state_dict(state)

    def _train_ticket(self, level: int) -> None:
        """Prune the network that the level before has trained, rewind it, and train it as another level."""
        lottery = self.lottery
        network = lottery.new_network(seed=0)
        before, end = level - 1, lottery.training(level - 1).end
        if not lottery.paths(level).mask.exists():
            self._prune(level, lottery.load_network(before, end, into=network))
        if lottery.rewind is Rewinding.WEIGHTS:
            lottery.load_network(0, lottery.desc.start, into=network)
        else:
            lottery.load_network(before, end, into=network)
        self._train(level, network)

    def _prune(self, level: int, trained: nn.Module) -> None:
        lottery = self.lottery
        before = lottery.load_mask(level - 1)
        mask = self._pruned(level, trained, before)
        if emptied := layers_pruned_away(before, mask):
            LOGGER.warning("%s: pruned away whole: %s", lottery.training(level).label, ", ".join(emptied))
        mask.save(lottery.paths(level))
        if not lottery.context.quiet:
            hparams = self._pruning_hparams(before)
            remark = STRATEGIES.get(hparams.pruning_strategy).remark(hparams, trained, before, mask)
            left = f"{100 * mask.density:.2f} % of the prunable weights are left{self._time_left(level)}"
            for line in (left, *remark):
                print(f"level_{level}: {line}", flush=True)

    def _time_left(self, level: int) -> str:
        """Return how long this level and those after it will take, as far as the level before tells."""
        try:
            seconds = float(read_json(self.lottery.paths(level - 1).timing)["seconds"])
        except (UserError, KeyError, TypeError, ValueError):
            return ""
        left = seconds * (self.levels - level + 1)
        if left < _WORTH_SAYING:
            return ""
        return f"; about {datetime.timedelta(minutes=round(left / 60))} hours for levels {level} to {self.levels}"

    def _train(self, level: int, network: nn.Module) -> None:
        """Train a network under a level's mask from the step at which every level starts."""
        lottery = self.lottery
        run, mask = lottery.training(level), lottery.load_mask(level)
        mask.save_missing(run.paths)
        apply_mask(lottery.variant.prunable(network), mask)
        if not run.is_done:
            save_command(run.paths, lottery.context)
        run.train(network, mask, lottery.desc.start)

    def _pruned(self, level: int, trained: nn.Module, mask: Mask, begun_with: nn.Module | None = None) -> Mask:
        hparams = self._pruning_hparams(mask)
        generator = self.lottery.streams(level).generator("pruning")
        strategy = STRATEGIES.get(hparams.pruning_strategy)
        return strategy.prune_in(hparams, trained, mask, generator, circumstances_of(self.lottery, level, begun_with))

    def _pruning_hparams(self, mask: Mask) -> PruningHparams:
        """Return how to prune; of an experiment that is there, layers to ignore that are none are left out."""
        hparams = self.lottery.desc.pruning_hparams
        if not isinstance(hparams, GlobalPruningHparams) or not self.lottery.paths(0).hparams.exists():
            return hparams
        if unknown := sorted(hparams.ignored - set(mask)):
            LOGGER.warning("--pruning_layers_to_ignore: %s: no such tensor, so nothing is kept", ", ".join(unknown))
        return replace(hparams, pruning_layers_to_ignore=",".join(sorted(hparams.ignored & set(mask))) or None)
