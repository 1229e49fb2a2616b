"""Competitors side by side: processor time in turns, and peak memory, each in a process of its own.

Processor time, not elapsed time, so that other work on the machine matters little; in turns, so that what matters
still (a warm machine, full caches) hits all competitors alike. Ratios are taken round by round.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

Work = Callable[[], object]
"""One unit of what is measured, a training step for example."""


@dataclass(frozen=True)
class Competitor:
    """One of several ways to do the same.

    Args:
        name: how the table calls it.
        prepare: called in the competitor's own process, so a function of a module; returns the work to measure.
        arguments: those of `prepare`.
        repeats: units of work in a turn.
        keeps_freed_memory: whether the allocator is told to reuse freed memory, as all commands of open_lth tell it.
    """

    name: str
    prepare: Callable[..., Work]
    arguments: tuple[object, ...] = ()
    repeats: int = 1
    keeps_freed_memory: bool = True


@dataclass(frozen=True)
class Cost:
    """What a competitor's unit of work costs.

    Args:
        seconds: processor time of a unit, all threads together, in each round.
        mebibytes: peak resident memory beyond what Python, torch and their first training step take.
    """

    seconds: tuple[float, ...]
    mebibytes: float

    @property
    def median(self) -> float:
        """The processor seconds of a unit in the middle round."""
        return statistics.median(self.seconds)

    def over(self, reference: Cost) -> str:
        """Return the ratio to another competitor's time: the middle round's, and the range over rounds."""
        return spread(mine / other for mine, other in zip(self.seconds, reference.seconds, strict=True))


def spread(values: Iterable[float]) -> str:
    """Return the median and the range of numbers as text."""
    ordered = sorted(values)
    return f"{figure(statistics.median(ordered))} ({figure(ordered[0])}–{figure(ordered[-1])})"


def figure(value: float) -> str:
    """Return a number as text, with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def print_row(*cells: str) -> None:
    """Print a row of a Markdown table, at once."""
    print(f"| {' | '.join(cells)} |", flush=True)


def print_header(*cells: str) -> None:
    """Print the first two lines of a Markdown table."""
    print_row(*cells)
    print_row(*("---" for _ in cells))


def attempt(work: Callable[[], object]) -> None:
    """Let some work print; a failure is shown and loses nothing of what comes after it."""
    try:
        work()
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        print(f"failed: {error}")
    print(flush=True)


def side_by_side(competitors: Sequence[Competitor], rounds: int, warm_up: int = 2, threads: int = 1) -> list[Cost]:
    """Return the cost of each competitor.

    Args:
        competitors: all of them hold their memory at the same time.
        rounds: turns that each gets.
        warm_up: units of work before the first turn: pages are touched, kernels chosen.
        threads: of torch, in each process.
    """
    with contextlib.ExitStack() as stack:
        turns = [stack.enter_context(_process(competitor, threads)) for competitor in competitors]
        for turn in turns:
            turn(warm_up)
        seconds = [[turn(one.repeats) for one, turn in zip(competitors, turns, strict=True)] for _ in range(rounds)]
        peaks = [turn(0) for turn in turns]
    return [Cost(own, peak) for own, peak in zip(zip(*seconds, strict=True), peaks, strict=True)]


@contextlib.contextmanager
def _process(competitor: Competitor, threads: int) -> Iterator[Callable[[int], float]]:
    """Start a competitor; what is handed out does some units and returns seconds a unit, for 0 the peak memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, competitor, threads), daemon=True)
    process.start()
    theirs.close()

    def turn(units: int) -> float:
        try:
            ours.send(units)
            return float(ours.recv())
        except (EOFError, OSError):
            raise SystemExit(f"{competitor.name}: its process failed") from None

    try:
        yield turn
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, competitor: Competitor, threads: int) -> None:
    import torch

    from foundations.hardware import keep_freed_memory

    if competitor.keeps_freed_memory:
        keep_freed_memory()
    torch.set_num_threads(threads)
    _take_a_first_step()
    before = peak_mebibytes()
    work = competitor.prepare(*competitor.arguments)
    with contextlib.suppress(EOFError):
        while True:
            units = connection.recv()
            connection.send(processor_seconds(work, units) if units else peak_mebibytes() - before)


def _take_a_first_step() -> None:
    """Let torch load what it loads late, about 150 MiB: that is no competitor's memory."""
    import torch

    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def processor_seconds(work: Work, units: int) -> float:
    """Do some units of work and return the processor seconds of one."""
    began = time.process_time()
    for _ in range(units):
        work()
    return (time.process_time() - began) / units


def peak_mebibytes() -> float:
    """Return the most resident memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts the parent's peak in for a process that was forked from it
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in kibibytes; on macOS in bytes
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
