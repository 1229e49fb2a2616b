"""What several processes gain on one network: elapsed time of a training step, alone and shared.

    python benchmarks/ranks.py

starts two processes by torchrun, of one thread each. In turns, the first takes steps alone while the other waits, then
both take them together: with the examples of a batch split, and, for a Bayesian network, with its samples split. Prints
a Markdown table of elapsed milliseconds a step and of how many times as fast the shared step is, round by round.
Elapsed time: run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import torch
import torch.distributed as dist

from foundations.hardware import keep_freed_memory
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.rendezvous import join_ranks
from foundations.step import Step
from measuring import Work, figure, print_header, print_row, spread
from steps import NUM_CLASSES, NUM_EXAMPLES, model_hparams, random_batch, variant_of
from training import OPTIMIZERS, TrainingCircumstances, TrainingHparams
from training.precision import Precision
from training.team import GradientExchange

KINDS = {"deterministic": ("weights", 0), "weights 10": ("weights", 10), "antithetic 2": ("antithetic", 2)}
ALONE, EXAMPLES, SAMPLES = "alone", "examples split", "samples split"


def main() -> None:
    """Measure and print, or start the processes that do."""
    args = _arguments()
    if "RANK" not in os.environ:
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={args.processes}")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"}
        raise SystemExit(
            subprocess.run([sys.executable, *torchrun, *sys.argv], env=environment, check=False).returncode
        )
    keep_freed_memory()
    ranks = join_ranks(minutes=10)
    torch.set_num_threads(1)
    if ranks.is_leader:
        print_header("network", "kind", "batch", "way", "ms a step", f"times as fast with {ranks.size} processes")
    for network in args.networks:
        for kind in args.kinds:
            _measure(network, kind, args, ranks)
    ranks.close()


def _measure(network: str, kind: str, args: argparse.Namespace, ranks: Ranks) -> None:
    samples = KINDS[kind][1]
    ways = [ALONE, EXAMPLES, *([SAMPLES] if samples >= ranks.size else [])]
    steps = {way: shared_step(network, kind, args.batch, way, ranks) for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for round_number in range(-1, args.rounds):  # the first is the warm-up
        for way, step in steps.items():
            elapsed = _elapsed(step, args.steps, takes_part=ranks.is_leader or way != ALONE)
            if round_number >= 0:
                seconds[way].append(elapsed)
    for way in ways if ranks.is_leader else ():
        ratios = [alone / own for alone, own in zip(seconds[ALONE], seconds[way], strict=True)]
        own = figure(1000 * statistics.median(seconds[way]))
        print_row(network, kind, str(args.batch), way, own, spread(ratios))


def shared_step(network: str, kind: str, batch: int, way: str, ranks: Ranks) -> Work:
    """Return a training step as one of the ranks takes it: forward, backward, exchange of gradients, and Adam."""
    team = Ranks() if way == ALONE else ranks
    variant = variant_of(*KINDS[kind])
    model = variant.build(model_hparams(network), NUM_CLASSES, 0).to(memory_format=torch.channels_last)
    hparams = TrainingHparams(optimizer_name="adam", lr=1e-3, weight_decay=1e-4, training_steps="1ep")
    optimizer = OPTIMIZERS.get(hparams.optimizer_name)(variant.parameter_groups(model, hparams), hparams)
    precision, exchange = Precision("fp32", torch.device("cpu")), GradientExchange(team)
    circumstances = TrainingCircumstances(
        NUM_EXAMPLES, RandomStreams(1), precision, exchange, sample_ranks=team if way == SAMPLES else Ranks()
    )
    objective = variant.objective(model, circumstances)
    part = team.part(batch) if way == EXAMPLES else slice(0, batch)
    images, labels = (whole[part] for whole in random_batch(network, batch))
    model.train()
    step = Step(0, NUM_EXAMPLES // batch)

    def work() -> None:
        nonlocal step
        optimizer.zero_grad()
        exchange.begin(1 / team.size)
        objective.backward(images, labels, step)
        exchange.finish(model.parameters())
        precision.step(optimizer)
        step = step.next()

    return work


def _elapsed(step: Work, steps: int, takes_part: bool) -> float:
    """Return the seconds of a step, from when all ranks are there until all have ended."""
    dist.barrier()
    began = time.perf_counter()
    for _ in range(steps if takes_part else 0):
        step()
    dist.barrier()
    return (time.perf_counter() - began) / steps


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["mnist_lenet_300_100", "cifar_resnet_20"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--batch", type=int, default=128, help="images of all processes together")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every way")
    parser.add_argument("--steps", type=int, default=5, help="training steps in a turn")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
