"""Finding the tickets of a lottery: each stage returns at once if its output exists."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from torch import nn

from datasets import num_classes
from foundations.errors import UserError
from foundations.storage import save_tensors
from models import find_family
from open_lth.runners.lottery import Lottery, Rewinding
from open_lth.runners.once import do_once
from open_lth.runners.provenance import save_command, save_hparams
from pruning import STRATEGIES, LayerPrunedAway, Mask, apply_mask, prunable_shapes


@dataclass(frozen=True)
class LotteryRunner:
    """Trains, prunes and rewinds, level after level."""

    lottery: Lottery

    def run(self, levels: int) -> None:
        """Find the tickets of levels 0 to `levels`; what is there already is not made again.

        Raises:
            Interrupted: if a signal asked for it.
            RunIsLocked: if another process is at it.
        """

        def is_done() -> bool:
            return self.lottery.paths(0).hparams.exists() and all(map(self._is_complete, range(levels + 1)))

        do_once(self.lottery.directories.directory, self.lottery.context, is_done, lambda: self._run(levels))

    def _run(self, levels: int) -> None:
        lottery = self.lottery
        if levels > 0 and not lottery.paths(0).mask.exists():
            self._try_pruning()
        save_hparams(lottery.paths(0), lottery.desc.display())
        if lottery.desc.pretrain_training_hparams is not None:
            self._pretrain()
        self._establish_initial_weights()
        for level in range(levels + 1):
            self._prune(level)
            self._train(level)

    def _try_pruning(self) -> None:
        """Prune an untrained network, so that a mistake in the flags comes out before the first level is trained."""
        model = self.lottery.new_network(seed=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LayerPrunedAway)
            self._pruned(1, model, self._full_mask(model))

    def _is_complete(self, level: int) -> bool:
        lottery = self.lottery
        paths = lottery.paths(level)
        return lottery.training(level).is_done and paths.mask.exists() and paths.model(lottery.desc.start).exists()

    def _pretrain(self) -> None:
        lottery = self.lottery
        run = lottery.pretraining()
        if not run.is_done:
            model = run.new_network(lottery.streams(0).seed("initial_weights"))
            save_command(run.paths, lottery.context)
            run.train(model, self._full_mask(model), run.step("0it"))

    def _establish_initial_weights(self) -> None:
        lottery = self.lottery
        path = lottery.paths(0).model(lottery.desc.start)
        if not path.exists():
            if lottery.paths(0).logger.exists():
                raise UserError(
                    f"{path}: missing, though level 0 was trained from it, and new weights may be others; "
                    f"put a copy of it back, or delete {lottery.directories.directory} to begin again"
                )
            model = lottery.new_network(lottery.streams(0).seed("initial_weights"))
            if lottery.desc.pretrain_training_hparams is not None:
                self._take_over_pretrained_weights(model)
            save_tensors(path, model.state_dict())

    def _prune(self, level: int) -> None:
        lottery = self.lottery
        paths = lottery.paths(level)
        if paths.mask.exists():
            return
        if level == 0:
            self._full_mask(lottery.new_network(seed=0)).save(paths)
            return
        mask = lottery.load_mask(level - 1)
        trained = lottery.load_network(level - 1, lottery.training(level - 1).end)
        with warnings.catch_warnings():
            warnings.simplefilter("always", LayerPrunedAway)
            with warnings.catch_warnings(record=True) as caught:
                pruned = self._pruned(level, trained, mask)
            for warning in caught:
                warnings.warn(f"{lottery.training(level).label}: {warning.message}", warning.category, stacklevel=2)
        pruned.save(paths)
        if not lottery.context.quiet:
            print(f"level_{level}: {100 * pruned.density:.2f} % of the prunable weights are left", flush=True)

    def _train(self, level: int) -> None:
        lottery = self.lottery
        run = lottery.training(level)
        if not self._is_complete(level):
            if level == 0 or lottery.rewind is Rewinding.WEIGHTS:
                model = lottery.load_network(0, lottery.desc.start)
            else:
                model = lottery.load_network(level - 1, lottery.training(level - 1).end)
            mask = lottery.load_mask(level)
            apply_mask(lottery.variant.prunable(model), mask)
            if run.is_done:  # the weights that it started from are all that is missing
                save_tensors(run.paths.model(lottery.desc.start), model.state_dict())
            save_command(run.paths, lottery.context)
            run.train(model, mask, lottery.desc.start)

    def _pruned(self, level: int, trained: nn.Module, mask: Mask) -> Mask:
        hparams = self.lottery.desc.pruning_hparams
        generator = self.lottery.streams(level).generator("pruning")
        return STRATEGIES.get(hparams.pruning_strategy).prune(hparams, trained, mask, generator)

    def _full_mask(self, model: nn.Module) -> Mask:
        return Mask.ones(prunable_shapes(self.lottery.variant.prunable(model)))

    def _take_over_pretrained_weights(self, model: nn.Module) -> None:
        lottery = self.lottery
        run = lottery.pretraining()
        state = run.load_network(run.end).state_dict()
        if num_classes(run.dataset_hparams) != lottery.desc.num_classes:
            # Another task has another output layer: keep the new one.
            output = find_family(lottery.desc.model_hparams.model_name).output_layer + "."
            state.update({k: v for k, v in model.state_dict().items() if k.startswith(output)})
        model.load_state_dict(state)
