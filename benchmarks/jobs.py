"""What `lottery_branch --jobs` gains on the CPU: elapsed time of several levels, one after another and side by side.

    python benchmarks/jobs.py --dataset_root DIR

prunes a LeNet and a ResNet-20 on Fashion-MNIST after a few steps, then trains the levels anew with the branch
`retrain` in every way, in turns, and prints elapsed seconds and their ratio to the first way as a Markdown table.
Elapsed time, starting the processes included: run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from foundations.places import default_dataset_root

PROGRAM = Path(__file__).resolve().parent.parent / "open_lth.py"
HOW_TO_RETRAIN = ("--retrain_d_batch_size=128", "--retrain_t_optimizer_name=sgd", "--retrain_t_lr=0.1")
LENET, RESNET = "mnist_lenet_300_100", "cifar_resnet_20"


def main() -> None:
    """Measure and print."""
    args = _arguments()
    print("| network | way | seconds | ratio (range) |\n| --- | --- | --- | --- |", flush=True)
    for network, steps in ((LENET, args.lenet_steps), (RESNET, args.resnet_steps)):
        seconds = _measure(args, network, steps)
        reference = next(iter(seconds.values()))
        for way, own in seconds.items():
            ratios = [mine / theirs for mine, theirs in zip(own, reference, strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            print(f"| {network} | {way} | {statistics.median(own):.1f} | {spread} |", flush=True)


def _ways(cores: int) -> dict[str, tuple[str, ...]]:
    return {
        f"one after another, {cores} threads": (f"--threads={cores}",),
        "one after another, 1 thread": ("--threads=1",),
        f"--jobs={cores}, 1 thread each": ("--threads=1", f"--jobs={cores}"),
        f"--jobs={cores}, {cores} threads each": (f"--threads={cores}", f"--jobs={cores}"),
    }


def _measure(args: argparse.Namespace, network: str, steps: str) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in _ways(args.cores)}
    data = ("dataset_name=fashion_mnist", f"subsample_fraction={args.subsample_fraction}")
    how = ("--training_steps=10it", "--evaluate_only_at_end", f"--dataset_root={args.dataset_root}", "--quiet")
    trunk = (f"--default_hparams={network}", *(f"--{flag}" for flag in data), *how)
    retrain = (*(f"--retrain_d_{flag}" for flag in data), f"--retrain_t_training_steps={steps}", *HOW_TO_RETRAIN)
    with tempfile.TemporaryDirectory() as directory:
        pruned = Path(directory) / "trunk"
        _run("lottery", f"--levels={args.levels - 1}", *trunk, f"--root={pruned}")
        for _ in range(args.rounds):
            for way, flags in _ways(args.cores).items():
                root = Path(directory) / "copy"
                shutil.copytree(pruned, root)
                levels = f"--levels=0-{args.levels - 1}"
                began = time.perf_counter()
                _run("lottery_branch", "retrain", levels, *trunk, *retrain, *flags, f"--root={root}")
                seconds[way].append(time.perf_counter() - began)
                shutil.rmtree(root)
    return seconds


def _run(*words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    subprocess.run([sys.executable, str(PROGRAM), *words], env=environment, check=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_root", type=Path, default=default_dataset_root())
    parser.add_argument("--levels", type=int, default=4, help="how many levels are trained")
    parser.add_argument("--cores", type=int, default=2, help="threads, and jobs")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every way")
    parser.add_argument("--subsample_fraction", type=float, default=0.2, help="of the 60,000 training images")
    parser.add_argument("--lenet_steps", default="10ep", help="how long a level of the LeNet trains")
    parser.add_argument("--resnet_steps", default="60it", help="how long a level of the ResNet-20 trains")
    return parser.parse_args()


if __name__ == "__main__":
    main()
