"""From the logger to the sinks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping

from foundations.interruption import hidden_interruption
from foundations.messages import LOGGER
from foundations.sink import MetricSink, SinkKind, SinkRun
from foundations.step import Step
from training.checkpoint import TrainingState


class SinkFeed:
    """A callback that hands on what the logger has got since it was last called; no failure of a sink ends a run.

    The sinks are opened at the first measures: only then is it known from which step the run goes on.

    Args:
        kinds: the sinks by their flags.
        describe: gives what they are told of the run, by the step from which it goes on.
    """

    def __init__(self, kinds: Mapping[str, SinkKind], describe: Callable[[Step], SinkRun]) -> None:
        self._kinds = kinds
        self._describe = describe
        self._sinks: dict[str, MetricSink] = {}
        self._run = ""
        self._handed_on = 0
        self._is_open = False

    def __call__(self, state: TrainingState) -> None:
        """Hand on what is new."""
        if not self._kinds or state.logger.size == self._handed_on:
            return
        if not self._is_open:
            self._open(self._describe(state.step))
        new = state.logger.entries(self._handed_on)
        self._handed_on = state.logger.size
        steps = [(name, Step(iteration, state.step.iterations_per_epoch), value) for name, iteration, value in new]

        def hand_on(sink: MetricSink) -> None:
            for name, step, value in steps:
                sink.add(name, step, value)
            sink.flush()

        self._with_each(hand_on)

    def close(self, is_done: bool) -> None:
        """Close the sinks.

        Args:
            is_done: whether the run is finished.
        """
        self._with_each(lambda sink: sink.close(is_done))
        self._sinks.clear()

    def _open(self, run: SinkRun) -> None:
        self._is_open, self._run = True, run.name
        for flag, kind in self._kinds.items():
            with self._guarded(flag):
                self._sinks[flag] = kind.open(run)

    def _with_each(self, use: Callable[[MetricSink], object]) -> None:
        for flag, sink in list(self._sinks.items()):
            with self._guarded(flag):
                use(sink)

    @contextlib.contextmanager
    def _guarded(self, flag: str) -> Iterator[None]:
        """Switch a sink off if it fails inside the block, but let a request to stop that it stumbled over pass."""
        on_the_way_out = sys.exc_info()[1]
        try:
            yield
        except Exception as error:
            if hidden_interruption(error) not in (None, on_the_way_out):
                raise
            self._sinks.pop(flag, None)
            reason = str(error).partition("\n")[0] or type(error).__name__
            LOGGER.warning("--%s is switched off for %s, whose logger gets everything: %s", flag, self._run, reason)
