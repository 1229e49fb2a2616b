"""Which BatchNorm statistics a Bayesian ResNet is best evaluated with, at small and at grown standard deviations.

    python benchmarks/batchnorm_modes.py --dataset_root DIR

trains ResNet-20 on a part of Fashion-MNIST once for each initial standard deviation, evaluates each network with the
three kinds of statistics, and prints accuracy, negative log likelihood and calibration error as a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from bayesian.hparams import BATCHNORM_MODES, BayesianHparams
from bayesian.variant import Bayesian
from datasets import DatasetHparams, find_source
from foundations.context import RunContext, choose_device
from foundations.hardware import keep_freed_memory
from foundations.paths import RunPaths
from foundations.places import default_dataset_root
from foundations.randomness import RandomStreams
from measuring import print_header, print_row
from pruning import Mask, prunable_shapes
from steps import model_hparams
from training import TrainingHparams, TrainingRun


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    print_header("initial std factor", "statistics", "accuracy", "NLL", "ECE", "MACE")
    for factor in args.init_std:
        with tempfile.TemporaryDirectory() as directory:
            for mode, values in _measure(args, factor, Path(directory)):
                cells = (values["accuracy"], values["loss"], values["ece"], values["mace"])
                print_row(f"{factor:g}", mode, *(f"{value:.3f}" for value in cells))


def _measure(args: argparse.Namespace, factor: float, directory: Path) -> Iterator[tuple[str, dict[str, float]]]:
    trained = _run(
        args, BayesianHparams(samples=args.training_samples, estimator="antithetic", init_std=factor), directory
    )
    model = trained.new_network(trained.streams.seed("initial_weights"))
    trained.train(model, Mask.ones(prunable_shapes(trained.variant.prunable(model))), trained.step("0it"))
    for mode in BATCHNORM_MODES:
        evaluated = _run(args, BayesianHparams(samples=args.evaluation_samples, batchnorm=mode), directory)
        yield mode, evaluated.evaluator().evaluate(model, trained.end, "benchmark")


def _run(args: argparse.Namespace, hparams: BayesianHparams, directory: Path) -> TrainingRun:
    return TrainingRun(
        paths=RunPaths(directory),
        label=args.network,
        variant=Bayesian(hparams),
        model_hparams=model_hparams(args.network),
        dataset_hparams=DatasetHparams(
            dataset_name=args.dataset,
            batch_size=128,
            subsample_fraction=args.examples / find_source(args.dataset).num_train,
        ),
        training_hparams=TrainingHparams(
            optimizer_name="adam", lr=1e-3, weight_decay=1e-4, training_steps=f"{args.epochs}ep"
        ),
        streams=RandomStreams(args.replicate),
        context=RunContext(
            root=directory,
            dataset_root=args.dataset_root,
            device=choose_device("auto"),
            evaluate_only_at_end=True,
        ),
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_root", type=Path, default=default_dataset_root())
    parser.add_argument("--dataset", default="fashion_mnist", metavar="NAME", help="which images (fashion_mnist)")
    parser.add_argument("--network", default="cifar_resnet_20", metavar="NAME", help="(cifar_resnet_20)")
    parser.add_argument("--init_std", type=float, nargs="+", default=[0.01, 1.0], help="factors on the Kaiming scale")
    parser.add_argument("--examples", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--training_samples", type=int, default=2, help="antithetic samples a batch")
    parser.add_argument("--evaluation_samples", type=int, default=10)
    parser.add_argument("--replicate", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
