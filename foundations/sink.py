"""What takes a run's measures besides its logger: TensorBoard and its like, as a run knows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from foundations.paths import RunPaths
from foundations.step import Step


@dataclass(frozen=True)
class SinkRun:
    """What a sink is told of the run whose measures it takes.

    Args:
        paths: where the run's files lie.
        name: its directory below the root, e.g. `lottery_<hash>/replicate_1/level_3/main`.
        start: the step from which the run goes on, or begins. Measures of earlier steps come first and were taken
            earlier; measures that a killed process took at this step or later are taken again.
        config: its hyperparameters by group, and its place in the experiment; plain values.
    """

    paths: RunPaths
    name: str
    start: Step
    config: Mapping[str, Any]


class MetricSink(Protocol):
    """Takes the measures of one run."""

    def add(self, name: str, step: Step, value: float) -> None:
        """Take a measure; steps ascend."""

    def flush(self) -> None:
        """Hold nothing back of what was added: it may be long before more comes."""

    def close(self, is_done: bool) -> None:
        """Take leave of the run.

        Args:
            is_done: whether it is finished; else it was stopped and may go on later.
        """


@dataclass(frozen=True)
class SinkKind(ABC):
    """A kind of sink with its settings, which are flags: the field `x` of one registered as `k` is `--k_x`.

    Its fields are declared by `foundations.flags.flag`, each with a default.
    """

    description: ClassVar[str]
    """What its flag does, for `--help`."""

    package: ClassVar[str]
    """The package that it needs, by the name under which it is both installed and imported."""

    @abstractmethod
    def open(self, run: SinkRun) -> MetricSink:
        """Begin to take a run's measures; any exception switches the sink off for this run."""
