"""Commands of open_lth that are run to be compared: which graphs they captured, and the networks that they left."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import cli
import training.graphs
import training.step
from foundations.storage import load_tensors
from training.graphs import Graph, GraphMaker


class Failed(Exception):
    """What a check has found."""


@dataclass(frozen=True)
class Run:
    """What a command left in its root, and what it said on stderr."""

    root: Path
    said: str

    def networks(self) -> dict[str, dict[str, Tensor]]:
        """Return every network by its file's place below the root, whatever the replicate."""
        found = sorted(self.root.rglob("model_ep*.pth"))
        return {"/".join(path.relative_to(self.root).parts[2:]): load_tensors(path) for path in found}

    def measures(self) -> Tensor:
        """Return the numbers that `evaluate` wrote, one after another."""
        texts = [path.read_text(encoding="utf-8") for path in sorted(self.root.rglob("evaluation.json"))]
        return torch.tensor([number for text in texts for number in _numbers(json.loads(text))])


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield float(value)


@dataclass
class Bench:
    """Where commands run.

    Args:
        flags: those of every command; later ones win.
        device: what `--device` says.
        root: for results; each command has a directory of its own in it, unless it names one.
        graphs: those that the latest command captured.
    """

    flags: Sequence[str]
    device: str
    root: Path
    graphs: list[CountedGraph] = field(default_factory=list)
    _commands: int = 0

    def run(self, *flags: str, root: str = "", verb: Sequence[str] = (), code: int = 0) -> Run:
        """Run a lottery's command.

        Raises:
            Failed: if it ends with another code.
        """
        self._commands += 1
        directory = self.root / (root or f"run {self._commands}")
        places = (f"--root={directory}", f"--dataset_root={directory}", f"--device={self.device}", "--quiet")
        self.graphs.clear()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), self._counting():
            found = cli.main([*verb, "lottery", *self.flags, *places, *flags])
        if found != code:
            raise Failed(f"exit code {found}: {(err.getvalue().splitlines() or ['nothing was said'])[-1]}")
        return Run(directory, err.getvalue())

    @property
    def can_capture(self) -> bool:
        """Whether the device has graphs."""
        return training.graphs.graphs_of(torch.device(self.device)) is not None

    @property
    def replays(self) -> int:
        """How many times the latest command replayed a graph."""
        return sum(graph.replays for graph in self.graphs)

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        uncounted = training.graphs.graphs_of

        def graphs_of(device: torch.device) -> GraphMaker | None:
            make = uncounted(device)

            def counted(generators: Sequence[torch.Generator]) -> Graph:
                assert make is not None
                self.graphs.append(CountedGraph(make(generators)))
                return self.graphs[-1]

            return None if make is None else counted

        with mock.patch.object(training.graphs, "graphs_of", graphs_of):
            yield


class CountedGraph:
    """A graph that counts how often it is replayed."""

    def __init__(self, graph: Graph) -> None:
        self.rehearse, self.capture, self._graph = graph.rehearse, graph.capture, graph
        self.replays = 0

    def replay(self) -> None:
        """Do the operations."""
        self.replays += 1
        self._graph.replay()


@contextlib.contextmanager
def stopped_at(iteration: int) -> Iterator[None]:
    """Ask for a stop amid a training step, as a scheduler does."""
    take = training.step.TrainingStep.take

    def taking(step: training.step.TrainingStep) -> None:
        if step.state.step.iteration == iteration:
            signal.raise_signal(signal.SIGTERM)
        take(step)

    with mock.patch.object(training.step.TrainingStep, "take", taking):
        yield


def distance(one: Run, other: Run) -> float:
    """Return how far apart the networks of two runs are at most: the difference's norm, in units of the network's own.

    Raises:
        Failed: if they left other networks, or other weights are pruned.
    """
    mine, theirs = one.networks(), other.networks()
    if not mine or mine.keys() != theirs.keys():
        raise Failed(f"networks were saved as {', '.join(mine) or 'nothing'}, and as {', '.join(theirs) or 'nothing'}")
    return max(_distance(network, theirs[name]) for name, network in mine.items())


def _distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    first, second = (torch.cat([part.double().reshape(-1) for part in whole.values()]) for whole in (one, other))
    kept = first.isfinite()  # the log of a pruned weight's standard deviation is not
    if not kept.equal(second.isfinite()):
        raise Failed("other weights are pruned, or not finite")
    return float((first[kept] - second[kept]).norm() / second[kept].norm())
