"""What it takes to be a branch: the extension point for experiments off a lottery's levels."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from foundations.errors import UserError
from foundations.hparams import Hparams, hashed_name, hparam
from foundations.paths import BRANCH, PRETRAIN, RunPaths
from foundations.registry import Registry
from foundations.step import Step
from foundations.storage import write_json
from open_lth.runners.lottery import Lottery
from open_lth.runners.once import is_whole, train_once
from open_lth.runners.provenance import save_command, save_hparams
from pruning import Mask, apply_mask
from training import TrainingRun


@dataclass(frozen=True)
class Branch(ABC):
    """One branch at one level; the typed arguments of `branch_function` become flags and make its name.

    Args:
        lottery: the trunk, whose levels it starts from.
        level: the level.
        branch_hparams: the arguments of `branch_function`, as a group.
        called: what the user calls the branch, where it has several names; if empty, by its own.
    """

    lottery: Lottery
    level: int
    branch_hparams: Hparams
    called: str = ""

    @staticmethod
    @abstractmethod
    def name() -> str:
        """Return the name, which is also that of the directory."""

    @staticmethod
    @abstractmethod
    def description() -> str:
        """Return one line for the list of branches."""

    trunk_variants: ClassVar[tuple[str, ...]] = ()
    """The variants that a trunk may be of; empty means all."""

    branch_function: ClassVar[Callable[..., None]]
    """What the branch does: a method whose arguments are typed and explained under `Args:` in its docstring."""

    parts: ClassVar[tuple[str, ...] | None] = None
    """The names of its trainings, if they are not one: each has a directory in the branch's; () if it trains none."""

    @classmethod
    def check_trunk(cls, variant: str, *also: str) -> None:
        """Check that the branch can start from a trunk of a variant.

        Args:
            also: other variants whose weights are as this one's.

        Raises:
            UserError: if it cannot.
        """
        if cls.trunk_variants and {variant, *also}.isdisjoint(cls.trunk_variants):
            raise UserError(f"--{variant}: the trunk of {cls.name()} must be {' or '.join(cls.trunk_variants)}")

    @classmethod
    def hparams_class(cls) -> type[Hparams]:
        """Return the group of hyperparameters that the arguments of `branch_function` make."""
        return _group_of_arguments(cls.name(), cls.branch_function)

    @functools.cached_property
    def paths(self) -> RunPaths:
        """Where the branch's files lie."""
        name = hashed_name(f"{BRANCH}_{self.name()}", [self.identity()])
        return self.lottery.directories.level(self.level, name)

    def identity(self) -> Hparams:
        """Return the arguments that make the name; a branch whose values have several spellings returns one of them."""
        return self.branch_hparams

    def arguments(self) -> dict[str, Any]:
        """Return the values of the arguments of `branch_function`."""
        return {f.name: getattr(self.branch_hparams, f.name) for f in dataclasses.fields(self.branch_hparams)}

    def run(self) -> None:
        """Run the branch, unless that has been done already.

        Raises:
            Interrupted: if a signal asked for it.
            RunIsLocked: if another process is at it.
        """
        train_once(self.paths.directory, self.lottery.context, lambda: self.is_done, self._run)

    @property
    def is_done(self) -> bool:
        """Whether all that it trains and finds out is there."""
        trained = all(run.is_done and is_whole(run.paths) for run in self.trainings())
        return trained and is_whole(self.paths) and (not self.finds_out or self.paths.results.exists())

    def _run(self) -> None:
        # Each of several trainings can be read by itself; and an interrupted branch shows which are to come.
        for paths in dict.fromkeys([self.paths, *(run.paths for run in self.trainings())]):
            save_hparams(paths, self.identity().display())
            save_command(paths, self.lottery.context)
        type(self).branch_function(self, **self.arguments())
        if self.finds_out:
            write_json(self.paths.results, dict(self.results()))

    # What a branch may have besides a training of the usual kind.

    def results(self) -> Mapping[str, Any]:
        """Return what it finds out, by column: numbers and texts, or lists of as many each, for `read_results`.

        It is asked for once the branch function has returned. A branch that only trains does not have this.
        """
        return {}

    @property
    def finds_out(self) -> bool:
        """Whether it has results."""
        return type(self).results is not Branch.results

    def trainings(self) -> list[TrainingRun]:
        """Return all its trainings."""
        return [self.labelled_training()] if self.parts is None else [self.training_of(part) for part in self.parts]

    def training_of(self, part: str) -> TrainingRun:
        """Return one of several trainings: in a directory of its own, with random streams of its own."""
        run = self.labelled_training()
        streams = dataclasses.replace(run.streams, level=f"{run.streams.level}/{self.name()}/{part}")
        return dataclasses.replace(run, paths=self.paths.part(part), streams=streams, label=f"{run.label}/{part}")

    # What branch functions are made of.

    def mask(self) -> Mask:
        """Return the level's mask."""
        return self.lottery.load_mask(self.level)

    def load_network(self, level: int, step: Step) -> nn.Module:
        """Return the trunk's network as saved at a level and step; step 0 may lie before pretraining."""
        if self.lottery.desc.pretrain_training_hparams is not None and step < self.lottery.desc.start:
            return self.lottery.load_network(PRETRAIN, step)
        return self.lottery.load_network(level, step)

    def training(self) -> TrainingRun:
        """Return the branch's training; a branch that trains on other data or in another way overrides this."""
        return self.lottery.training_in(self.paths, self.level)

    def labelled_training(self) -> TrainingRun:
        """Return the branch's training, called as the user calls the branch."""
        return dataclasses.replace(self.training(), label=f"level_{self.level}/{self.called or self.name()}")

    def train(self, model: nn.Module, mask: Mask, start: Step, part: str = "") -> None:
        """Save the mask, then train a network under it from a step to the end.

        Args:
            part: which of several trainings.
        """
        training = self.training_of(part) if part else self.labelled_training()
        mask.save_missing(training.paths)
        further = {**training.further_hparams, "branch_hparams": self.branch_hparams}
        training = dataclasses.replace(training, further_hparams=further)
        apply_mask(training.variant.prunable(model), mask)
        training.train(model, mask, start)


BRANCHES: Registry[type[Branch]] = Registry("branch")


def _group_of_arguments(branch: str, function: Callable[..., None]) -> type[Hparams]:
    hints, explanations = typing.get_type_hints(function), _explained_arguments(function)
    arguments = list(inspect.signature(function).parameters.values())[1:]
    declared = []
    for argument in arguments:
        default = dataclasses.MISSING if argument.default is inspect.Parameter.empty else argument.default
        declared.append((argument.name, hints[argument.name], hparam(explanations.get(argument.name, ""), default)))
    group: Any = dataclasses.make_dataclass("BranchHparams", declared, bases=(Hparams,), frozen=True, kw_only=True)
    group.title, group.about = "Branch Hyperparameters", f"The arguments of {branch}."
    return typing.cast(type[Hparams], group)


def _explained_arguments(function: Callable[..., None]) -> dict[str, str]:
    section = (inspect.getdoc(function) or "").partition("Args:\n")[2].split("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
