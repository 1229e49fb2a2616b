"""Where the time of captured steps goes, and what processes side by side gain: parts of `gpu_step.py`."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import threading
import time
from collections.abc import Iterator, Sequence

import torch

from foundations.step import Step
from gpu_step import WARM_UP, Row, Setting, Turns, measure, synchronize, train
from measuring import figure, print_header, print_row, spread
from watched_training import OutOfTime, Scale

STEPS_OF_JOBS = 800
"""Steps of a turn of processes side by side, evaluations between them included: they are to overlap for long."""


def print_profile(row: Row, setting: Setting) -> None:
    """Print how long a captured step takes, its kernels run, and the GPU waits, and which kernels take longest."""
    if setting.device.type != "cuda" or time.monotonic() > setting.deadline:
        return
    profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
    count = 20

    def watch(step: Step) -> None:
        if step.iteration == WARM_UP:
            synchronize(setting.device)
            profile.start()
        elif step.iteration == WARM_UP + count:
            synchronize(setting.device)
            profile.stop()
            raise OutOfTime

    with contextlib.suppress(OutOfTime):
        train(row, setting, watch)
    kernels = sorted(_kernels(profile), key=lambda one: one[1])
    if not kernels:
        print(f"profile of {row}: no kernel was seen\n", flush=True)
        return
    spent = sum(end - begin for _, begin, end in kernels) / 1000 / count
    whole = (max(end for *_, end in kernels) - kernels[0][1]) / 1000 / count
    names: dict[str, float] = {}
    for name, begin, end in kernels:
        names[name] = names.get(name, 0.0) + (end - begin) / 1000 / count
    print(f"{row}: {whole:.3f} ms a step, of which kernels {spent:.3f}; {len(kernels) / count:.0f} kernels\n")
    for name, milliseconds in sorted(names.items(), key=lambda one: -one[1])[:8]:
        print(f"    {milliseconds:.3f} ms  {name[:100]}")
    print(flush=True)


def _kernels(profile: torch.profiler.profile) -> Iterator[tuple[str, float, float]]:
    """Yield the kernels' names, and when they began and ended, in microseconds."""
    for event in profile.events() or []:
        if event.device_type.name == "CUDA":
            yield event.name, event.time_range.start, event.time_range.end


def print_jobs(row: Row, numbers: Sequence[int], setting: Setting) -> None:
    """Print what processes side by side do together."""
    print_header("processes", "ms a step of each", "steps a second, together", "× one process")
    alone = 0.0
    for number in numbers:
        if time.monotonic() > setting.deadline:
            print(f"\nno time was left for {number} processes", flush=True)
            return
        context = multiprocessing.get_context("spawn")
        with context.Pool(number, _meet_at, (context.Barrier(number),)) as pool:
            left = min(120.0, setting.deadline - time.monotonic())
            own = [(row, setting.scale, str(setting.device), left)] * number
            found = pool.starmap_async(_median, own).get(timeout=left + 60)
        rate = sum(1000 / one for one in found)
        alone = alone or rate
        print_row(str(number), spread(found), figure(rate), figure(rate / alone))


class _CommonTurns(Turns):
    """Turns that begin when those of all processes can."""

    def __call__(self, step: Step) -> None:
        if step.iteration == WARM_UP:
            _BARRIER[0].wait(timeout=120)
        super().__call__(step)


_BARRIER: list[threading.Barrier] = []


def _meet_at(barrier: threading.Barrier) -> None:
    _BARRIER[:] = [barrier]


def _median(row: Row, scale: Scale, device: str, left: float) -> float:
    setting = Setting(scale, torch.device(device), time.monotonic() + left, 3 if device == "cpu" else STEPS_OF_JOBS)
    return statistics.median(measure(row, setting, _CommonTurns(setting))[0])
