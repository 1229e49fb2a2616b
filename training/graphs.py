"""Work that is the same every time: on a GPU captured once in a CUDA graph and then replayed, elsewhere just done."""

from __future__ import annotations

import contextlib
import functools
import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch

from foundations.context import RunContext
from foundations.messages import LOGGER

Result = TypeVar("Result")

REHEARSALS = 3
"""How often work is just done before it is captured: till then memory is allocated, kernels are chosen and compiled."""


class Graph(Protocol):
    """What captures the operations that work does, and does them again on the same memory."""

    def rehearse(self, work: Callable[[], Any]) -> Any:
        """Do the work, in the place where it is to be captured, and return its result."""
        ...

    def capture(self, work: Callable[[], Any]) -> Any:
        """Take note of the work's operations without doing them, and return the memory of its result.

        Raises:
            RuntimeError: if there is one that cannot be captured; then it is as if nothing had happened.
        """
        ...

    def replay(self) -> None:
        """Do the operations."""
        ...


GraphMaker = Callable[[Sequence[torch.Generator]], Graph]
"""Makes a graph whose work draws from some generators, besides the default ones."""


class CudaGraphs:
    """Makes CUDA graphs that share a stream and their memory: one of them at a time is replayed, and keeps nothing."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @property
    def stream(self) -> torch.cuda.Stream:
        """The stream on which work is captured."""
        return _stream_of(self.device)

    @functools.cached_property
    def pool(self) -> Any:
        """The memory."""
        return torch.cuda.graph_pool_handle()

    def __call__(self, generators: Sequence[torch.Generator]) -> Graph:
        """Return a new graph."""
        return _CudaGraph(self, generators)


@functools.cache
def _stream_of(device: torch.device) -> torch.cuda.Stream:
    """Return the one stream of a process for all its captures: on each, cuBLAS holds on to memory of its own."""
    return torch.cuda.Stream(device)


class _CudaGraph:
    """A CUDA graph; the seeds and offsets of its generators are read anew at every replay."""

    def __init__(self, shared: CudaGraphs, generators: Sequence[torch.Generator]) -> None:
        self._shared = shared
        self._graph = torch.cuda.CUDAGraph()
        if torch.__version__ < "2.14":  # later ones find them by themselves, and warn
            for generator in generators:
                self._graph.register_generator_state(generator)
        index = torch.cuda.current_device() if shared.device.index is None else shared.device.index
        self._generators = [*generators, torch.cuda.default_generators[index]]

    def rehearse(self, work: Callable[[], Any]) -> Any:
        stream, current = self._shared.stream, torch.cuda.current_stream(self._shared.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = work()
        current.wait_stream(stream)
        return result

    def capture(self, work: Callable[[], Any]) -> Any:
        states = [generator.clone_state() for generator in self._generators]
        try:
            # The outer block, because a capture that fails leaves its own stream the current one.
            shared = self._shared
            outer = torch.cuda.stream(torch.cuda.current_stream(shared.device))
            with _nothing_collected(), outer, torch.cuda.graph(self._graph, shared.pool, shared.stream):
                return work()
        except RuntimeError:
            for generator, state in zip(self._generators, states, strict=True):
                # Else it would take itself to be captured for ever; graphs that know its old state are of no use now.
                generator.graphsafe_set_state(state)
            raise

    def replay(self) -> None:
        self._graph.replay()


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """Collect garbage before the block and not in it: a graph that is destroyed amid a capture ends it."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def graphs_of(device: torch.device) -> GraphMaker | None:
    """Return what makes graphs on a device, or None if there are none."""
    return CudaGraphs(device) if device.type == "cuda" else None


class Repetition(Generic[Result]):
    """Work that is done again and again, on the same memory, and in which nothing differs from time to time.

    Random numbers may differ, and so may what lies in the memory. Where graphs are made, the result of a replay is the
    memory of the one before.

    Args:
        graph: what captures it; None for just doing it.
        graphs: those that it is one of, told why it could not be captured.
        anew: gets ready what a capture that failed has used up.
    """

    def __init__(
        self, work: Callable[[], Result], graph: Graph | None, graphs: Graphs, anew: Callable[[], None] | None = None
    ) -> None:
        self._work = work
        self._graph = graph
        self._graphs = graphs
        self._anew = anew
        self._done = 0
        self._result: Result

    def __call__(self) -> Result:
        """Do the work once, and return its result."""
        if not self._graphs.are_made:
            self._graph = None
        graph = self._graph
        if graph is None:
            return self._work()
        if self._done < REHEARSALS:
            self._done += 1
            rehearsed: Result = graph.rehearse(self._work)
            return rehearsed
        if self._done == REHEARSALS:
            try:
                self._result = graph.capture(self._work)
            except RuntimeError as error:
                self._graphs.give_up(_reason(error))
            if not self._graphs.are_made:  # the error is gone by now, and with it the memory that it held on to
                self._graph = graph = None
                if self._anew is not None:
                    self._anew()
                return self._work()
            self._done += 1
        graph.replay()
        return self._result


def _reason(error: BaseException) -> str:
    """Return the first line of the error that all began with: a capture that fails ends in another error."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return (str(error).splitlines() or [type(error).__name__])[0]


def release(device: torch.device) -> None:
    """Free the memory of graphs that nobody needs any more: they are parts of what the work that they repeat is of."""
    if device.type == "cuda":
        gc.collect()


_ALIVE: weakref.WeakSet[Graphs] = weakref.WeakSet()
"""All that are in use: torch's default generator, which a capture that fails spoils, is one for all of them."""


class Graphs:
    """Whether the work of a run is captured in graphs, and what is said where that is not possible.

    Args:
        what: the work, in the plural, for the message.
        make: makes graphs; None for none.
        obstacles: why it cannot be captured, if there are reasons.
    """

    def __init__(self, what: str = "", make: GraphMaker | None = None, obstacles: Iterable[str] = ()) -> None:
        self._what = what
        self._make = make
        _ALIVE.add(self)
        if make is not None and (found := next(iter(obstacles), "")):
            self._make = None
            self._say(found)

    @staticmethod
    def of(context: RunContext, what: str, obstacles: Iterable[str]) -> Graphs:
        """Return those of a run's circumstances; who does not want any is told of no obstacle."""
        return Graphs(what, graphs_of(context.device) if context.graph == "auto" else None, obstacles)

    @staticmethod
    def are_possible(device: torch.device) -> bool:
        """Return whether a device has graphs."""
        return graphs_of(device) is not None

    @property
    def are_made(self) -> bool:
        """Whether work is captured."""
        return self._make is not None

    def repeated(
        self,
        work: Callable[[], Result],
        generators: Sequence[torch.Generator] = (),
        anew: Callable[[], None] | None = None,
    ) -> Repetition[Result]:
        """Return what does some work again and again.

        Args:
            generators: what it draws from, besides torch's default ones; whoever has it done seeds them.
            anew: gets ready once more what the work uses up, if it is to be done after all.
        """
        return Repetition(work, None if self._make is None else self._make(generators), self, anew)

    def give_up(self, reason: str) -> None:
        """Say that this work is not captured, and from here on neither capture nor replay any, whose ever it is."""
        for graphs in _ALIVE:
            graphs._make = None
        self._say(reason)

    def _say(self, reason: str) -> None:
        LOGGER.warning("%s are not captured in a CUDA graph, and so slower: %s", self._what, reason)
