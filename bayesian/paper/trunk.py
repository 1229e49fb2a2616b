"""Lotteries of a scale and what is made from them, as commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bayesian.paper.methods import BAYESIAN, SCORES
from bayesian.paper.scale import PaperScale, Words, merged
from open_lth.suites import Experiment


@dataclass(frozen=True)
class Trunk:
    """One replicate of a lottery: what its tickets are found by, and what branches start from.

    Args:
        flags: all that describe it but `--levels` and `--replicate`.
    """

    flags: Words
    scale: PaperScale
    replicate: int

    def tickets(self) -> Experiment:
        """Return iterative magnitude pruning."""
        return Experiment(("lottery", *self.flags, f"--levels={self.scale.levels}", self._replicate))

    def learning_rate_rewinding(self) -> Experiment:
        """Return learning rate rewinding, which shares level 0."""
        tickets = self.tickets()
        return Experiment((*tickets.command, "--lrr"), after=(tickets,))

    def evaluation(self, passes: int, *words: str) -> Experiment:
        """Return repeated passes over the test set, and what else is to be measured."""
        tickets = self.tickets()
        return Experiment(("evaluate", *tickets.command, f"--passes={passes}", *words), after=(tickets,))

    def branch(self, name: str, *words: str, levels: str = "") -> Experiment:
        """Return a branch, off the scale's levels unless others are given."""
        where = f"--levels={levels or self.scale.branch_levels}"
        return Experiment(
            ("lottery_branch", name, *words, *self.flags, where, self._replicate), after=(self.tickets(),)
        )

    def randomisation(self, name: str, *words: str) -> Experiment:
        """Return a branch that draws at random: other masks in every replicate, so that their spread is seen."""
        return self.branch(name, *words, *([f"--seed={self.replicate}"] if name == "shuffle" else []))

    @property
    def _replicate(self) -> str:
        return f"--replicate={self.replicate}"


def deterministic(scale: PaperScale, network: Words, changes: Words = ()) -> list[Trunk]:
    """Return the lottery of a network in every replicate, pruned by magnitude.

    Args:
        changes: flags that win over the scale's.
    """
    flags = merged(network, scale.flags, network, changes)
    return [Trunk(flags, scale, replicate) for replicate in _replicates(scale)]


def bayesian(scale: PaperScale, network: Words, changes: Words = (), strategy: str = SCORES[BAYESIAN]) -> list[Trunk]:
    """Return the lottery of a Bayesian network in every replicate.

    Args:
        changes: flags that win over the scale's.
    """
    kind, score = ("--bayesian",), (f"--pruning_strategy={strategy}",)
    flags = merged(network, scale.flags, network, kind, scale.bayesian, score, changes)
    return [Trunk(flags, scale, replicate) for replicate in _replicates(scale)]


def ensemble_of(trunks: Sequence[Trunk], *words: str) -> Experiment:
    """Return the evaluation of the averaged predictions of a lottery's replicates, and what else is to be measured."""
    averaged = trunks[0].evaluation(1, *words, "--ensemble=replicates")
    return replace(averaged, after=tuple(trunk.tickets() for trunk in trunks))


def _replicates(scale: PaperScale) -> range:
    return range(1, scale.replicates + 1)
