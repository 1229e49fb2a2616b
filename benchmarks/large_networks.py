"""What a training step of the paper's networks costs, deterministic and Bayesian.

    python benchmarks/large_networks.py --batch 32 --threads 1

takes a few training steps (forward, backward, Adam) of every network, each in a process of its own, and prints
prunable weights, processor seconds a step, peak resident memory and the ratio to the deterministic step as a Markdown
table. Processor time, not elapsed time, so that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bayesian.hparams import BayesianHparams
from bayesian.variant import Bayesian
from foundations.allocator import keep_freed_memory
from foundations.randomness import RandomStreams
from foundations.step import Step
from models import ModelHparams
from training import Deterministic, ModelVariant, TrainingCircumstances, TrainingHparams
from training.optimizers import OPTIMIZERS
from training.precision import Precision

NETWORKS = ("cifar_resnet_20", "cifar_resnet_110", "cifar_vgg_19", "cifar_vit_tiny", "cifar_vit_base")
SAMPLES = (0, 2, 10)  # 0 stands for the deterministic network
NUM_EXAMPLES = 50_000


@dataclass(frozen=True)
class Cost:
    """What one kind of one network costs.

    Args:
        weights: how many can be pruned.
        seconds: processor time of a training step, all threads together.
        mebibytes: peak resident memory of the process.
    """

    weights: int
    seconds: float
    mebibytes: float


def main() -> None:
    """Measure and print."""
    args = _arguments()
    print("| network | prunable weights | kind | CPU seconds per step | peak memory (MiB) | time / deterministic |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for name in args.networks:
        reference = 0.0
        for samples in SAMPLES:
            cost = _in_its_own_process(name, samples, args.batch, args.threads, 1 if args.quick else args.steps)
            reference = reference or cost.seconds
            kind = f"Bayesian, {samples} samples" if samples else "deterministic"
            cells = (f"{cost.weights:,}", kind, f"{cost.seconds:.3f}", f"{cost.mebibytes:,.0f}")
            print(f"| {name} | " + " | ".join(cells) + f" | {cost.seconds / reference:.1f} |", flush=True)


def measure(name: str, samples: int, batch: int, threads: int, steps: int) -> Cost:
    """Return the cost of a training step, after one that is not counted.

    Args:
        samples: of the weights, each with a forward and a backward pass; 0 for a deterministic network.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    variant: ModelVariant = Bayesian(BayesianHparams(samples=samples)) if samples else Deterministic()
    model = variant.build(ModelHparams(model_name=name, model_init="kaiming_uniform", batchnorm_init="uniform"), 10, 0)
    model.to(memory_format=torch.channels_last)
    hparams = TrainingHparams(optimizer_name="adam", lr=1e-3, training_steps="1ep")
    optimizer = OPTIMIZERS.get(hparams.optimizer_name)(variant.parameter_groups(model, hparams), hparams)
    precision = Precision("fp32", torch.device("cpu"))
    objective = variant.objective(model, TrainingCircumstances(NUM_EXAMPLES, RandomStreams(1), precision))
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10
    began = 0.0
    for iteration in range(1 + steps):
        if iteration == 1:
            began = time.process_time()
        optimizer.zero_grad()
        objective.backward(images, labels, Step(iteration, NUM_EXAMPLES // batch))
        precision.step(optimizer)
    seconds = (time.process_time() - began) / steps
    weights = sum(parts[0].parameter.numel() for parts in variant.prunable(model).values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in kibibytes; on macOS in bytes
    return Cost(weights, seconds, peak / (1024**2 if sys.platform == "darwin" else 1024))


def _in_its_own_process(*what: str | int) -> Cost:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, what)


def _arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="images in a batch (default: 32)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--steps", type=int, default=3, help="steps to average over (default: 3)")
    parser.add_argument("--quick", action="store_true", help="measure a single step")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME", help="which networks")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
