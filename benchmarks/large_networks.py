"""What a training step of the paper's networks costs, deterministic and Bayesian.

    python benchmarks/large_networks.py --batch 32 --threads 1

takes a few training steps (forward, backward, Adam) of every network, each in a process of its own, and prints
prunable weights, processor seconds a step, peak memory beyond that of the imports and the ratio to the deterministic
step as a Markdown table. Processor time, not elapsed time, so that other work on the machine matters little. One
network is in memory at a time, for the largest take many gigabytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from measuring import Competitor, figure, print_header, print_row, side_by_side
from models import build_network
from models.tensors import prunable_tensor_names
from steps import NUM_CLASSES, model_hparams, training_step

NETWORKS = ("cifar_resnet_20", "cifar_resnet_110", "cifar_vgg_19", "cifar_vit_tiny", "cifar_vit_base")
SAMPLES = (0, 2, 10)  # 0 stands for the deterministic network


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    print_header(
        "network", "prunable weights", "kind", "CPU seconds per step", "peak memory (MiB)", "time / deterministic"
    )
    for name in args.networks:
        weights, reference = f"{_prunable_weights(name):,}", 0.0
        for samples in SAMPLES:
            step = Competitor(name, training_step, (name, "weights", samples, args.batch))
            (cost,) = side_by_side([step], 1 if args.quick else args.steps, warm_up=1, threads=args.threads)
            reference = reference or cost.median
            kind = f"Bayesian, {samples} samples" if samples else "deterministic"
            ratio = figure(cost.median / reference)
            print_row(name, weights, kind, figure(cost.median), f"{cost.mebibytes:,.0f}", ratio)


def _prunable_weights(name: str) -> int:
    model = build_network(model_hparams(name), NUM_CLASSES, 0)
    return sum(model.get_parameter(tensor).numel() for tensor in prunable_tensor_names(model))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="images in a batch (default: 32)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--steps", type=int, default=3, help="steps of which the middle one counts (default: 3)")
    parser.add_argument("--quick", action="store_true", help="measure a single step")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME", help="which networks")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
