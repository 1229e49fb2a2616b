"""What a training step costs on a GPU: ways to take several samples, torch-blue's beside them, and where time goes.

    python benchmarks/gpu_step.py --minutes 8

takes training steps as `open_lth.py train` takes them (batch 128, bf16, channels_last, fused Adam, a fifth of the
weights pruned, everything from bytes to updated weights, captured) of ResNet-20, VGG-11 and ViT-tiny on noise in
CIFAR-10's shape: deterministic, and with ten samples and two antithetic ones that go through the network one after
another, side by side, or on streams of their own; compiled too. Ten samples by torch-blue's own conversion and `vmap`,
in the same precision, are a row beside them, as in `sampling.py`. The peak of allocated memory is each row's own.
After ResNet-20's rows that are not compiled, a profile of captured steps says how long kernels run and how long the GPU
has nothing to do, and 1, 2 and 4 processes train deterministic ResNet-20 side by side, as `--jobs` lets them.

Each row is printed as soon as it is measured, the most important first; what no time is left for is named. A row whose
samples could not go in its way fails.
"""

from __future__ import annotations

import argparse
import functools
import gc
import statistics
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bayesian.ways import WAYS
from foundations.step import Step
from measuring import attempt, figure, print_header, print_row, spread
from sampling import torch_blue_step
from steps import DETERMINISTIC, KINDS, refusing_another_way, samples_go, variant_of
from watched_training import OutOfTime, Scale, Watch, measure_memory_anew, train_watched

NETWORKS = ("cifar_resnet_20", "cifar_vgg_11", "cifar_vit_tiny")
TORCH_BLUE, LOOP, SIDE_BY_SIDE = "torch-blue's vmap", "one after another", "side by side"
KIND = {0: DETERMINISTIC, 10: "weights 10", 2: "antithetic 2"}
TINY, TINY_NETWORK = Scale(num_train=16 * 30, num_test=8, batch=16, precision="fp32"), "cifar_resnet_8_2"
WARM_UP, TURNS, STEPS = 10, 5, 40
SECONDS_TO_START = {False: 10, True: 90}  # of what is compiled and what is not: a row with less time is not begun


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        samples: 0 for a deterministic network.
        way: in which they go through the network.
    """

    network: str
    samples: int
    way: str
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.network}, {self.samples} samples, {self.way}{', compiled' if self.compiled else ''}"


@dataclass(frozen=True)
class Setting:
    """What all rows share; the deadline is by `time.monotonic`."""

    scale: Scale
    device: torch.device
    deadline: float
    steps: int = STEPS


class Turns:
    """Times turns of steps within an epoch, and ends the training after the last."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.times: list[float] = []

    def __call__(self, step: Step) -> None:
        """Look at the time, if a turn ends.

        Raises:
            OutOfTime: when nothing more is to be measured.
        """
        if time.monotonic() > self._setting.deadline or len(self.times) > TURNS:
            raise OutOfTime
        if step.iteration >= WARM_UP and (step.iteration - WARM_UP) % self._setting.steps == 0:
            synchronize(self._setting.device)
            self.times.append(time.perf_counter())

    @property
    def milliseconds(self) -> list[float]:
        """Those of a step, in each turn."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return [1000 * (end - begin) / self._setting.steps for begin, end in pairs]


def synchronize(device: torch.device) -> None:
    """Wait for what a device has been given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from gpu_profile import print_jobs, print_profile

    args = _arguments(argv)
    if not args.tiny and not torch.cuda.is_available():
        raise SystemExit("no GPU here (torch.cuda.is_available() is False): nothing measured; --tiny runs on the CPU")
    device = torch.device("cpu" if args.tiny else "cuda")
    deadline = time.monotonic() + 60 * args.minutes
    setting = Setting(TINY, device, deadline, 3) if args.tiny else Setting(Scale(), device, deadline)
    networks = [TINY_NETWORK] if args.tiny else args.networks
    print(f"{'CPU' if args.tiny else torch.cuda.get_device_name()}, torch {torch.__version__}\n", flush=True)
    table = rows(networks, compiled=not args.tiny)
    first = [row for row in table if row.network == networks[0] and not row.compiled]
    _print_rows(first, setting)
    for samples in KIND:
        profiled = Row(networks[0], samples, SIDE_BY_SIDE if samples else LOOP)
        attempt(functools.partial(print_profile, profiled, setting))
    attempt(lambda: print_jobs(Row(networks[0], 0, LOOP), (1, 2) if args.tiny else (1, 2, 4), setting))
    if others := [row for row in table if row not in first]:
        _print_rows(others, setting)


def rows(networks: Sequence[str], compiled: bool) -> list[Row]:
    """Return all rows, the most important first: the first network before the others, ten samples before two."""
    found = []
    for network in networks:
        for form in (False, True) if compiled else (False,):
            found.append(Row(network, 0, LOOP, form))
            found += [Row(network, 10, way, form) for way in (LOOP, *WAYS)]
            if not form:
                found.append(Row(network, 10, TORCH_BLUE))
            found += [Row(network, 2, way, form) for way in (LOOP, *WAYS)]
    return found


def _print_rows(table: Sequence[Row], setting: Setting) -> None:
    memory = "GPU MiB" if setting.device.type == "cuda" else "MiB (not measured)"
    print_header("network", "samples", "way", "compiled", "ms a step", "× deterministic", "× one after another", memory)
    known: dict[Row, float] = {}
    left_out = []
    for row in table:
        cells = [row.network, str(row.samples), row.way, "yes" if row.compiled else "no"]
        try:
            milliseconds, mebibytes = measure(row, setting)
        except OutOfTime:
            left_out.append(str(row))
            continue
        except Exception as error:  # one row that fails is no reason to lose the others
            traceback.print_exc(file=sys.stderr)
            print_row(*cells, f"failed: {type(error).__name__}", "–", "–", "–")
            continue
        known[row] = statistics.median(milliseconds)
        others = [known.get(Row(row.network, samples, LOOP, row.compiled)) for samples in (0, row.samples)]
        ratios = [figure(known[row] / other) if other else "–" for other in others]
        print_row(*cells, spread(milliseconds), *ratios, f"{mebibytes:,.0f}")
    if left_out:
        print(f"\nno time was left for: {'; '.join(left_out)}", flush=True)
    print(flush=True)


def measure(row: Row, setting: Setting, turns: Turns | None = None) -> tuple[list[float], float]:
    """Return the milliseconds of a step in each turn, and the peak of allocated GPU memory in MiB.

    Raises:
        OutOfTime: if not even one turn could be timed.
    """
    if setting.device.type == "cuda" and setting.deadline - time.monotonic() < SECONDS_TO_START[row.compiled]:
        raise OutOfTime
    turns = turns or Turns(setting)
    measure_memory_anew(setting.device)
    try:
        if row.way == TORCH_BLUE:
            _torch_blue(row, setting, turns)
        else:
            train(row, setting, turns)
    except OutOfTime:
        if not turns.milliseconds:
            raise
    finally:
        torch._dynamo.reset()
        gc.collect()
    peak = torch.cuda.max_memory_allocated() / 2**20 if setting.device.type == "cuda" else 0.0
    return turns.milliseconds, peak


def train(row: Row, setting: Setting, watch: Watch) -> None:
    """Train in a row's way, until the watch ends it.

    Raises:
        RuntimeError: if the samples cannot go so.
    """
    one_by_one = row.way == LOOP
    variant, at_once = variant_of(*KINDS[KIND[row.samples]]), 1 if one_by_one else row.samples
    with samples_go("side by side" if one_by_one else row.way), refusing_another_way():
        train_watched(
            row.network, variant, setting.scale, "99ep", setting.device, row.compiled, watch, samples_at_once=at_once
        )


def _torch_blue(row: Row, setting: Setting, turns: Turns) -> None:
    work = torch_blue_step(row.network, row.samples, setting.scale.batch, setting.device, setting.scale.precision)
    for iteration in range(WARM_UP + TURNS * setting.steps + 2):
        turns(Step(iteration, 10**6))
        work()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="for the whole call (default: 8)")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="which, in this order")
    parser.add_argument("--tiny", action="store_true", help="a tiny network on the CPU: shows that all of it runs")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
