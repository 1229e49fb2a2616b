"""How noisy the gradient is that a few samples of the weights give, by how large the standard deviations are.

    python benchmarks/gradient_noise.py --root DIR

trains a Bayesian network by the ordinary command, takes it as it is at the end, and finds the gradient of the expected
log likelihood of one batch again and again under other noise, with one sample and with an antithetic pair. The table
has the pair's variance, summed over weights, in units of ten independent samples' (a tenth of one sample's), for means
and for log σ; two independent samples have 5 everywhere, so a pair below 5 is the better one. σ is that of the trained
network, or that of all weights is set to multiples of the Kaiming scale, 1/√(3 fan_in).

What is finished under the root is not trained again.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import nn

from bayesian.adapter import VariationalTensor, variational_tensors
from bayesian.hparams import INIT_SCALES, BayesianHparams
from bayesian.posterior import Posterior
from bayesian.variant import Bayesian
from datasets import Batch
from foundations.places import default_dataset_root
from foundations.randomness import RandomStreams
from foundations.step import Step
from measuring import figure, print_header, print_row
from open_lth import api
from training import TrainingCircumstances, training_batches
from training.precision import Precision

NETWORKS = ("mnist_lenet_300_100", "cifar_vgg_11_4")
SCALES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the Kaiming scale."""

AS_TRAINED = "as trained"


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, and print."""
    args = _arguments(argv)
    torch.set_num_threads(args.threads)
    print_header("network", "σ", "median σ / Kaiming", "pair: means", "pair: log σ", "two independent samples")
    for network in args.networks:
        model, batch = trained(network, args)
        for state in (AS_TRAINED, *SCALES):
            if not isinstance(state, str):
                set_std(model, state)
            single = variances(model, "weights", 1, batch, 2 * args.draws)
            pair = variances(model, "antithetic", 2, batch, args.draws)
            ratios = [figure(10 * float(mine / other)) for mine, other in zip(pair, single, strict=True)]
            name = state if isinstance(state, str) else f"{state} of Kaiming's"
            print_row(network, name, figure(relative_std(model)), *ratios, "5")


def trained(network: str, args: argparse.Namespace) -> tuple[nn.Module, Batch]:
    """Return the network as the command leaves it, and a training batch."""
    runs = api.train(
        default_hparams=network,
        bayesian=True,
        dataset_name=args.dataset,
        subsample_fraction=args.fraction,
        training_steps=f"{args.epochs}ep",
        milestone_steps=None,
        bayesian_samples=2,
        bayesian_estimator="antithetic",
        bayesian_std_lr_factor=10,
        root=args.root,
        dataset_root=args.dataset_root,
    )
    batches = training_batches(runs[0].training, "gradient_noise")
    return runs[0].network().train(), next(batches)


@torch.no_grad()
def set_std(model: nn.Module, scale: float) -> None:
    """Give all weights and biases standard deviations in units of the Kaiming scale; pruned weights stay pruned."""
    for tensor, unit in _with_units(model):
        tensor.log_std[tensor.log_std > -math.inf] = math.log(scale * unit)


@torch.no_grad()
def relative_std(model: nn.Module) -> float:
    """Return the median over weights and biases of their standard deviations in units of the Kaiming scale."""
    found = [(tensor.log_std.exp() / unit).flatten() for tensor, unit in _with_units(model)]
    return float(torch.cat(found).median())


def _with_units(model: nn.Module) -> Iterator[tuple[VariationalTensor, float]]:
    """Yield each weight or bias tensor with the Kaiming scale of its layer, whose weight has the fan-in."""
    tensors = variational_tensors(model)
    fan_ins = {id(tensor.layer): tensor.mean[0].numel() for tensor in tensors if tensor.is_weight}
    for tensor in tensors:
        yield tensor, INIT_SCALES["kaiming"](fan_ins[id(tensor.layer)])


def variances(model: nn.Module, estimator: str, samples: int, batch: Batch, draws: int) -> tuple[float, float]:
    """Return the variances, summed over coordinates, of the gradients of means and of log stds."""
    hparams = BayesianHparams(estimator=estimator, samples=samples, kl_temperature=0.0)
    circumstances = TrainingCircumstances(1, RandomStreams(1), Precision("fp32", torch.device("cpu")), steps=draws)
    objective = Bayesian(hparams).objective(model, circumstances)
    posterior = Posterior.of(model)
    sums = [torch.zeros(2, posterior.size, dtype=torch.float64) for _ in range(2)]
    for iteration in range(draws):
        model.zero_grad()
        objective.backward(*batch, Step(iteration, draws))
        for each, name in enumerate(("mean", "log_std")):
            gradient = posterior.join([getattr(tensor, name).grad for tensor in posterior.tensors]).double()
            sums[each] += torch.stack([gradient, gradient**2])
    first, second = ((of[1] - of[0] ** 2 / draws).sum() / (draws - 1) for of in sums)
    return float(first), float(second)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="where the networks go, and are found again")
    parser.add_argument("--dataset_root", type=Path, default=default_dataset_root(), help="where data sets lie")
    parser.add_argument("--dataset", default="fashion_mnist", metavar="NAME", help="which images (fashion_mnist)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, metavar="NAME", help=f"({' '.join(NETWORKS)})")
    parser.add_argument("--fraction", type=float, default=0.1, help="of the training images (default: 0.1)")
    parser.add_argument("--epochs", type=int, default=5, help="of training (default: 5)")
    parser.add_argument("--draws", type=int, default=100, help="of a pair; twice as many of one sample (100)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
