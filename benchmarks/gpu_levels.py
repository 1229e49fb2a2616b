"""Minutes a pruning level takes on a GPU, and what the choices behind that are worth.

    python benchmarks/gpu_levels.py --minutes 9

trains ResNet-20, VGG-11 and ViT-tiny on 50,000 images of noise in CIFAR-10's shape (batch 128, bf16, channels_last,
fused Adam, a fifth of the weights pruned), deterministic and Bayesian, with and without `--compile`, and evaluates them
on 10,000 images every epoch. A level has 160 epochs; three are timed after a warm-up, and what a level takes follows
from their median. "s to start" is what passes before, without the warm-up's own epoch: making the data, and compiling.
Before that it checks that nothing in a step makes the host wait for the device, and compares grouped convolutions with
the loop over samples. Each row is printed as soon as it is measured, the most important first; when the time is used
up, the rest is named. `--networks`, `--kinds` and `--compile` choose rows for another call, `--only_levels` leaves out
what comes before them.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from foundations.step import Step
from grouped_samples import compare
from measuring import attempt, figure, print_header, print_row, spread
from steps import DETERMINISTIC, KINDS, variant_of
from training.graphs import REHEARSALS
from watched_training import OutOfTime, Scale, Stopwatch, measure_memory_anew, train_watched

EPOCHS_A_LEVEL = 160
SECONDS_TO_START = {False: 15, True: 90}  # of what is compiled and what is not: a row with less time is not begun
ROWS = (DETERMINISTIC, "antithetic 2", "weights 10")
NETWORKS = ("cifar_resnet_20", "cifar_vgg_11", "cifar_vit_tiny")
TINY, TINY_NETWORK = Scale(num_train=48, num_test=8, batch=16, precision="fp32"), "cifar_resnet_8_2"


@dataclass(frozen=True)
class Setting:
    """What all rows share.

    Args:
        deadline: by `time.monotonic`.
        epochs: how many of each row are timed.
    """

    scale: Scale
    device: torch.device
    deadline: float
    epochs: int


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    network: str
    kind: str
    compiled: bool

    def __str__(self) -> str:
        return f"{self.network}, {self.kind}{', compiled' if self.compiled else ''}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    if not args.tiny and not torch.cuda.is_available():
        raise SystemExit("no GPU here (torch.cuda.is_available() is False): nothing measured; --tiny runs on the CPU")
    device = torch.device("cpu" if args.tiny else "cuda")
    scale = TINY if args.tiny else Scale(precision=args.precision)
    setting = Setting(scale, device, time.monotonic() + 60 * args.minutes, args.epochs)
    networks = [TINY_NETWORK] if args.tiny else args.networks
    compiled = {"both": (False, True), "with": (True,), "without": (False,)}["without" if args.tiny else args.compile]
    print(
        f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}, torch {torch.__version__}\n", flush=True
    )
    if device.type == "cuda" and not args.only_levels:
        print("Waiting for the device within an epoch:\n", flush=True)
        attempt(lambda: print(synchronisation(setting)))
        print(f"Grouped convolutions beside the loop over samples, {NETWORKS[0]}, captured:\n", flush=True)
        attempt(lambda: compare(NETWORKS[0], [2, 10], setting.scale.batch, 5, device))
    # The main network, compiled and not, comes before all others.
    order = [(network, one) for network in networks[:1] for one in compiled]
    order += [(network, one) for one in compiled for network in networks[1:]]
    _print_rows([Row(network, kind, one) for network, one in order for kind in args.kinds], setting)


def _print_rows(rows: Sequence[Row], setting: Setting) -> None:
    print_header(
        "network",
        "kind",
        "compiled",
        "s to start",
        "epochs timed",
        "s an epoch",
        "minutes a level",
        "× deterministic",
        "GPU MiB",
    )
    deterministic: dict[tuple[str, bool], float] = {}
    left_out = []
    for row in rows:
        cells = (row.network, row.kind, "yes" if row.compiled else "no")
        try:
            to_start, seconds, mebibytes = measure(row, setting)
        except OutOfTime:
            left_out.append(row)
            continue
        except Exception:  # one row that fails is no reason to lose the others
            traceback.print_exc(file=sys.stderr)
            print_row(*cells, "–", "0", "failed", "–", "–", "–")
            continue
        middle = statistics.median(seconds)
        reference = deterministic.setdefault((row.network, row.compiled), middle if row.kind == DETERMINISTIC else 0)
        ratio = figure(middle / reference) if reference else "–"
        level = figure(EPOCHS_A_LEVEL * middle / 60)
        print_row(*cells, figure(to_start), str(len(seconds)), spread(seconds), level, ratio, f"{mebibytes:,.0f}")
    if left_out:
        print(f"\nno time was left for: {'; '.join(map(str, left_out))}", flush=True)


def measure(row: Row, setting: Setting) -> tuple[float, list[float], float]:
    """Return the seconds to start, those of each timed epoch with its evaluation, and the GPU's peak memory in MiB.

    Raises:
        OutOfTime: if not even one epoch could be timed.
    """
    if setting.deadline - time.monotonic() < SECONDS_TO_START[row.compiled]:
        raise OutOfTime
    # Compiling ends with the first smaller batch, the epoch's last. A deterministic evaluation is one pass, done a few
    # times before it is captured; that of several samples is so many passes, and captured in the first epoch.
    warm_up = REHEARSALS + 1 if row.kind == DETERMINISTIC and setting.device.type == "cuda" else 1
    at = min(20, setting.scale.num_train // setting.scale.batch - 2)
    watch = Stopwatch(setting.device, setting.deadline, warm_up, at)
    steps = f"{warm_up + setting.epochs}ep{at + 1}it"
    measure_memory_anew(setting.device)
    began = time.perf_counter()
    try:
        variant = variant_of(*KINDS[row.kind])
        train_watched(row.network, variant, setting.scale, steps, setting.device, row.compiled, watch)
    except OutOfTime:
        if len(watch.times) < 2:
            raise
    finally:
        torch._dynamo.reset()
        gc.collect()
    peak = torch.cuda.max_memory_allocated() / 2**20 if setting.device.type == "cuda" else 0.0
    seconds = [end - begin for begin, end in itertools.pairwise(watch.times)]
    return watch.times[0] - began - warm_up * statistics.median(seconds), seconds, peak


def synchronisation(setting: Setting) -> str:
    """Return what a step that waited for the device said, or that none did, of every variant."""
    for kind in ROWS:
        try:
            train_watched(
                NETWORKS[0],
                variant_of(*KINDS[kind]),
                Scale(num_train=60 * setting.scale.batch, num_test=setting.scale.batch),
                "1ep",
                setting.device,
                False,
                _forbidding_to_wait(5, 58),
            )
        except RuntimeError as error:
            traceback.print_exc(file=sys.stderr)
            return f"{kind}: {str(error).splitlines()[0]}"
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return f"none ({', '.join(ROWS)})"


def _forbidding_to_wait(first: int, last: int) -> Callable[[Step], None]:
    def watch(step: Step) -> None:
        if step.iteration in (first, last):
            torch.cuda.set_sync_debug_mode("error" if step.iteration == first else "default")

    return watch


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9.0, help="for the whole call (default: 9)")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="which, in this order")
    parser.add_argument("--kinds", nargs="+", default=list(ROWS), choices=KINDS, metavar="KIND", help="which, in order")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16", help="(default: bf16)")
    parser.add_argument("--epochs", type=int, default=3, help="timed of each row (default: 3)")
    parser.add_argument("--only_levels", action="store_true", help="nothing but minutes a level")
    parser.add_argument("--compile", choices=("both", "with", "without"), default="both", help="(default: both)")
    parser.add_argument("--tiny", action="store_true", help="a tiny network on the CPU: shows that all of it runs")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
