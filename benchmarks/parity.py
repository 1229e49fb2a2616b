"""Whether cheaper ways of sampling weights find the same tickets.

    python benchmarks/parity.py --root DIR --replicates 3

finds the tickets of a Bayesian LeNet-300-100 on Fashion-MNIST (10 epochs, levels 0 to 3) with each estimator and
replicate, by the ordinary command, and prints the measures at the last level, at the epoch of the best test accuracy,
and how much of the mask an estimator shares with `weights`. What is finished under the root is not run again, so the
script may be stopped and started at will.

The estimators of one replicate share initial weights and data order, so differences are taken within replicates. The
yardstick is `weights` once more with other noise: two masks of the same method overlap that much, and no method can
agree with it better than it agrees with itself. Whatever the training, predictions average over ten samples.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import cli
from bayesian.estimators import ESTIMATORS, Estimator, Noise
from bayesian.noise import NoiseRequest, independent_noise
from foundations.paths import ReplicatePaths
from foundations.places import default_dataset_root
from measuring import print_header, print_row
from pruning import Mask
from training import MetricLogger

REFERENCE, AGAIN = "weights:10", "weights_again:10"
EVALUATION_SAMPLES = "10"
MEASURES = ("test_accuracy", "test_loss", "test_mace")


@dataclass(frozen=True)
class Ticket:
    """The last level of one lottery.

    Args:
        measures: those of the epoch with the best test accuracy.
    """

    measures: Mapping[str, float]
    mask: Mask


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and print."""
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    if "weights_again" not in ESTIMATORS:
        ESTIMATORS.register("weights_again")(Estimator(other_noise))
    replicates = range(1, args.replicates + 1)
    names = [REFERENCE, AGAIN, *args.estimators]
    tickets = {name: [_ticket(args, name, replicate) for replicate in replicates] for name in names}
    density = statistics.mean(ticket.mask.density for ticket in tickets[REFERENCE])
    print(f"level {args.levels}, {args.epochs} epochs, {len(replicates)} replicates, mean ± standard deviation")
    print(f"{100 * density:.1f} % of the weights are kept, so two random masks would have that much in common\n")
    compared = ("accuracy − weights’ (points)", "NLL", "MACE", "mask: Jaccard", "kept in common (%)")
    print_header("estimator", "accuracy (%)", *compared)
    for name, found in tickets.items():
        print_row(_title(name), *_cells(found, tickets[REFERENCE], is_reference=name == REFERENCE))


def other_noise(request: NoiseRequest) -> Noise:
    """Draw as `weights` does, from another stream."""
    draw = independent_noise(request)

    def again(iteration: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        other = request.streams.generator("weight_samples_again", iteration, device=generator.device)
        return draw(iteration, other)

    return again


def _title(name: str) -> str:
    estimator, samples = name.split(":")
    return f"weights, {samples} samples, other noise" if name == AGAIN else f"{estimator}, {samples} samples"


def _cells(found: Sequence[Ticket], reference: Sequence[Ticket], is_reference: bool) -> list[str]:
    accuracies, losses, maces = ([ticket.measures[name] for ticket in found] for name in MEASURES)
    pairs = list(zip(found, reference, strict=True))
    differences = [100 * (one.measures["test_accuracy"] - other.measures["test_accuracy"]) for one, other in pairs]
    overlaps = [overlap(one.mask, other.mask) for one, other in pairs]
    compared = [
        _spread(differences, 2),
        _spread(losses, 4),
        _spread(maces, 4),
        _spread([jaccard for jaccard, _ in overlaps], 3),
        _spread([100 * common for _, common in overlaps], 1),
    ]
    if is_reference:
        compared[0] = compared[3] = compared[4] = "–"
    return [_spread([100 * accuracy for accuracy in accuracies], 2), *compared]


def _spread(values: Sequence[float], digits: int) -> str:
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{round(statistics.mean(values), digits) + 0.0:.{digits}f}{deviation}"  # + 0.0 makes -0.0 positive


def overlap(one: Mask, other: Mask) -> tuple[float, float]:
    """Return two masks' Jaccard index, and how much of what the first keeps the second keeps, too."""
    both = sum(int((one[name] & other[name]).sum()) for name in one)
    return both / (one.unpruned + other.unpruned - both), both / one.unpruned


def _ticket(args: argparse.Namespace, name: str, replicate: int) -> Ticket:
    estimator, samples = name.split(":")
    command = [
        "lottery",
        f"--default_hparams={args.model}",
        "--bayesian",
        f"--dataset_name={args.dataset}",
        f"--training_steps={args.epochs}ep",
        f"--bayesian_estimator={estimator}",
        f"--bayesian_samples={samples}",
        *([] if samples == EVALUATION_SAMPLES else [f"--bayesian_evaluation_samples={EVALUATION_SAMPLES}"]),
        f"--levels={args.levels}",
        f"--replicate={replicate}",
        f"--root={args.root}",
        f"--dataset_root={args.dataset_root}",
        "--quiet",
    ]
    _run(command)
    with contextlib.redirect_stdout(io.StringIO()) as place:
        _run([*command, "--display_output_location"])
    paths = ReplicatePaths.of(Path(place.getvalue().strip()).parents[1]).level(args.levels)
    rows = MetricLogger.load(paths.logger).rows().values()
    measured = [row for row in rows if "test_accuracy" in row]
    return Ticket(max(measured, key=lambda row: row["test_accuracy"]), Mask.load(paths.mask))


def _run(command: Sequence[str]) -> None:
    code = cli.main(list(command))
    if code:
        raise SystemExit(code)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="where the lotteries go, and are found again")
    parser.add_argument("--dataset_root", type=Path, default=default_dataset_root(), help="where data sets lie")
    parser.add_argument("--replicates", type=int, default=3, help="from 1 to this number (default: 3)")
    parser.add_argument("--levels", type=int, default=3, help="the level to compare (default: 3)")
    parser.add_argument("--epochs", type=int, default=10, help="of each level (default: 10)")
    parser.add_argument("--dataset", default="fashion_mnist", metavar="NAME", help="which images (fashion_mnist)")
    parser.add_argument("--model", default="mnist_lenet_300_100", metavar="NAME", help="(mnist_lenet_300_100)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    compared = ["antithetic:2", "recycled:10"]
    help = f"to be compared with weights:10 (default: {' '.join(compared)})"
    parser.add_argument("--estimators", nargs="+", default=compared, metavar="NAME:SAMPLES", help=help)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
