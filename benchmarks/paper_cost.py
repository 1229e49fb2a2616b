"""What the paper's whole set of experiments costs: GPU hours, and days on machines with several GPUs.

    python benchmarks/paper_cost.py

counts the trainings behind `reproduce --scale=paper`, multiplies them by minutes a level, and lets jobs wait for what
they need on 1, 4, 16 and 64 GPUs, one job to a GPU, longest first. Minutes a level are those of the paper's table 1;
for larger networks, these times the ratio of multiply-adds. `--minutes cifar_resnet_20=12,33` puts your own (of a
deterministic and of a Bayesian level) in their place.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

import cli
from measuring import figure, print_header, print_row
from open_lth import commands  # noqa: F401 - importing registers them
from open_lth.command import read_command
from open_lth.suites import Experiment, in_order, suites_of
from open_lth.suites.scales import read_scale
from steps import NUM_CLASSES, model_hparams, random_batch, variant_of

MINUTES = {"cifar_resnet_20": (12.0, 33.0), "cifar_vgg_11": (13.0, 72.0), "cifar_vit_tiny": (9.0, 51.0)}
"""The paper's table 1: minutes of a level, deterministic and Bayesian."""
LARGER = {"cifar_resnet_110": "cifar_resnet_20", "cifar_vgg_19": "cifar_vgg_11", "cifar_vit_base": "cifar_vit_tiny"}


@dataclass(frozen=True)
class Part:
    """One job's trainings: of which network, of which kind, how many, how long together."""

    network: str
    is_bayesian: bool
    trainings: int
    minutes: float


def main() -> None:
    """Count, multiply, schedule and print."""
    args = _arguments()
    cli.load_plugins()
    scale = read_scale(args.scale)
    series = [one for suite in suites_of(scale).values() for one in suite.series(scale)]
    order = in_order(series)
    parts = _parts(order, {**MINUTES, **dict(args.minutes)})
    totals: dict[tuple[str, bool], list[Part]] = {}
    for part in parts.values():
        totals.setdefault((part.network, part.is_bayesian), []).append(part)
    print_header("network", "kind", "trainings", "minutes a level", "GPU hours")
    for (network, is_bayesian), own in totals.items():
        trainings, minutes = sum(part.trainings for part in own), sum(part.minutes for part in own)
        kind = "Bayesian" if is_bayesian else "deterministic"
        print_row(network, kind, str(trainings), figure(minutes / trainings), figure(minutes / 60))
    hours = sum(part.minutes for part in parts.values()) / 60
    print_row("all", "", str(sum(part.trainings for part in parts.values())), "", figure(hours))
    print()
    print_header("GPUs", "days", "share of the GPUs' time in use (%)")
    for gpus in args.gpus:
        elapsed = makespan(order, {one: part.minutes for one, part in parts.items()}, gpus) / 60
        print_row(str(gpus), figure(elapsed / 24), figure(100 * hours / (gpus * elapsed)))


def _parts(order: Sequence[Experiment], minutes: Mapping[str, tuple[float, float]]) -> dict[Experiment, Part]:
    parts: dict[Experiment, Part] = {}
    seen: set[str] = set()
    per_level = {**minutes, **{large: _scaled(minutes[small], large, small) for large, small in LARGER.items()}}
    for one in order:
        runs, passes = read_command((*one.command, "--root=none"))
        new = {str(run.paths.directory) for run in runs} - seen if not passes else set()
        seen |= new
        network, is_bayesian = runs[0].model_hparams.model_name, runs[0].variant.name != "deterministic"
        parts[one] = Part(network, is_bayesian, len(new), len(new) * per_level[network][is_bayesian])
    return parts


def _scaled(minutes: tuple[float, float], large: str, small: str) -> tuple[float, float]:
    ratio = multiply_adds(large) / multiply_adds(small)
    return minutes[0] * ratio, minutes[1] * ratio


def multiply_adds(network: str) -> int:
    """Return the floating-point operations of one image's forward pass."""
    model = variant_of("weights", 0).build(model_hparams(network), NUM_CLASSES, 0)
    images, _ = random_batch(network, 1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(images)
    return int(counter.get_total_flops())


def makespan(order: Sequence[Experiment], minutes: Mapping[Experiment, float], gpus: int) -> float:
    """Return how long jobs take on so many GPUs, if the one with the longest chain behind it always goes first."""
    behind = dict.fromkeys(order, 0.0)
    for one in reversed(order):
        for earlier in one.after:
            behind[earlier] = max(behind[earlier], behind[one] + minutes[one])
    waiting, now = list(order), 0.0
    running: list[tuple[float, int]] = []
    done: set[Experiment] = set()
    while waiting or running:
        ready = [one for one in waiting if done.issuperset(one.after)]
        for one in sorted(ready, key=lambda one: -(behind[one] + minutes[one]))[: gpus - len(running)]:
            waiting.remove(one)
            heapq.heappush(running, (now + minutes[one], order.index(one)))
        now, index = heapq.heappop(running)
        done.add(order[index])
    return now


def _minutes(text: str) -> tuple[str, tuple[float, float]]:
    network, _, values = text.partition("=")
    deterministic, bayesian = map(float, values.split(","))
    return network, (deterministic, bayesian)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--gpus", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--minutes", nargs="*", type=_minutes, default=[], metavar="NETWORK=DETERMINISTIC,BAYESIAN")
    return parser.parse_args()


if __name__ == "__main__":
    main()
