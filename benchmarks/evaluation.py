"""What the evaluation after every epoch costs beside the epoch's training.

    python benchmarks/evaluation.py

measures, on one thread, a training step of batch 128 and an evaluation with one sample of the weights, on a few test
images and for several evaluation batch sizes, and works out an epoch of 60,000 training and 10,000 test images:

    training   = 60,000 / 128 x step
    evaluation = samples x (preparation + 10,000 x image)

Preparation, which no batch size changes, is drawing the sample and recomputing the BatchNorm statistics on 512 training
images; it is measured as the evaluation of a single image. A deterministic network has one sample. How many samples a
Bayesian one has in evaluation is for `--bayesian_evaluation_samples` to say; else it is as many as in training.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from datasets import LabelledImages
from datasets.augmentation import Normalization
from datasets.epoch_streams import EpochStreams
from datasets.loader import DeviceEvaluationLoader, DeviceLoader
from foundations.context import RunContext
from foundations.randomness import RandomStreams
from foundations.step import Step
from measuring import Competitor, Cost, Work, figure, print_header, print_row, side_by_side, spread
from models import find_family
from steps import DETERMINISTIC, KINDS, NUM_CLASSES, model_hparams, training_step, variant_of
from training.evaluation import CALIBRATION_EXAMPLES, Evaluator
from training.precision import Precision

EVALUATED = {DETERMINISTIC: (1,), "weights 10": (10,), "antithetic 2": (2, 10)}  # with how many samples
TRAIN_IMAGES, TEST_IMAGES, BATCH = 60_000, 10_000, 128


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    print_header(
        "network",
        "training",
        "evaluation samples",
        "evaluation batch",
        "training (s an epoch)",
        "evaluation (s)",
        "evaluation / training (%)",
    )
    for network in args.networks:
        for kind, evaluation_samples in EVALUATED.items():
            estimator, samples = KINDS[kind]
            evaluated = [(1, BATCH), *((args.images, batch) for batch in args.batches)]
            competitors = [Competitor("a step", training_step, (network, estimator, samples, BATCH), args.repeats)]
            competitors += [
                Competitor("an evaluation", evaluation, (network, min(samples, 1), images, batch), args.repeats)
                for images, batch in evaluated
            ]
            step, single, *several = side_by_side(competitors, args.rounds, warm_up=1)
            for number, (batch, cost) in itertools.product(evaluation_samples, zip(args.batches, several, strict=True)):
                _print_epoch((network, kind, str(number), str(batch)), args.images, step, single, cost)


def _print_epoch(cells: tuple[str, str, str, str], images: int, step: Cost, single: Cost, several: Cost) -> None:
    samples = int(cells[2])
    training = [TRAIN_IMAGES / BATCH * seconds for seconds in step.seconds]
    evaluating = [
        samples * (first + (TEST_IMAGES - 1) * (all_of_them - first) / (images - 1))
        for first, all_of_them in zip(single.seconds, several.seconds, strict=True)
    ]
    share = spread(100 * part / whole for part, whole in zip(evaluating, training, strict=True))
    print_row(*cells, figure(statistics.median(training)), figure(statistics.median(evaluating)), share)


def evaluation(network: str, samples: int, images: int, batch: int) -> Work:
    """Return an evaluation of a network on images of noise."""
    device, variant = torch.device("cpu"), variant_of("weights", samples)
    normalization = Normalization((0.5,), (0.2,), device, torch.channels_last)
    evaluator = Evaluator(
        variant=variant,
        test=DeviceEvaluationLoader(
            _noise(network, images), num_classes=NUM_CLASSES, batch_size=batch, normalization=normalization
        ),
        train=DeviceLoader(
            _noise(network, CALIBRATION_EXAMPLES),
            num_classes=NUM_CLASSES,
            batch_size=BATCH,
            normalization=normalization,
            augmentation=None,
            seeds=EpochStreams(RandomStreams(1)),
        ),
        streams=RandomStreams(1),
        precision=Precision("fp32", device),
        context=RunContext(Path(), Path()),
    )
    model = variant.build(model_hparams(network), NUM_CLASSES, 0).to(memory_format=torch.channels_last)
    return lambda: evaluator.evaluate(model, Step(0, 1))


def _noise(network: str, count: int) -> LabelledImages:
    channels, height, width = find_family(network).image_shape
    assert height is not None and width is not None
    pixels = torch.empty(count, channels, height, width, dtype=torch.uint8).random_()
    return LabelledImages(pixels, torch.arange(count) % NUM_CLASSES)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["cifar_resnet_20", "mnist_lenet_300_100"]
    parser.add_argument("--networks", nargs="+", default=names, metavar="NAME", help="which networks")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128, 256, 512, 1024], help="evaluation batches")
    parser.add_argument("--images", type=int, default=1024, help="test images to measure with (default: 1024)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every competitor (default: 5)")
    parser.add_argument("--repeats", type=int, default=2, help="steps and evaluations in a turn (default: 2)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
