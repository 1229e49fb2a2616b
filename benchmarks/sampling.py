"""What sampled weights cost in training: a Bayesian step in deterministic steps, and beside torch-blue's own way.

    python benchmarks/sampling.py

takes training steps (forward, backward, Adam; batch 128, one thread, float32) of ResNet-20 and LeNet-300-100,
deterministic and Bayesian, and of the same network turned Bayesian by torch-blue alone: converted whole, samples drawn
by `vmap`, its own loss, BatchNorm with batch statistics because `vmap` allows no others. Each competitor has a process
of its own, and they take turns. torch-blue runs twice: with the memory allocator told to reuse freed memory, as
open_lth tells it, and with the C library's defaults. All of them are in memory at once: some 12 GiB.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch_blue import vi
from torch_blue.vi.distributions import Categorical, MeanFieldNormal

from measuring import Competitor, Cost, Work, figure, print_header, print_row, side_by_side
from models import build_network
from steps import DETERMINISTIC, KINDS, NUM_CLASSES, NUM_EXAMPLES, model_hparams, random_batch, training_step

NETWORKS = {"cifar_resnet_20": 1, "mnist_lenet_300_100": 20}  # and how many steps of ten samples are a turn
TORCH_BLUE = {"torch-blue 10, allocator tuned": True, "torch-blue 10, allocator untouched": False}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    for network in args.networks:
        turn = NETWORKS.get(network, 1)
        competitors = [
            Competitor(kind, training_step, (network, *way, args.batch), turn if way[1] == 10 else 4 * turn)
            for kind, way in KINDS.items()
        ]
        competitors += [
            Competitor(name, torch_blue_step, (network, 10, args.batch), turn, keeps_freed_memory=tuned)
            for name, tuned in ({} if args.ours else TORCH_BLUE).items()
        ]
        costs = side_by_side(competitors, args.rounds)
        print(f"{network}, batch {args.batch}, {args.rounds} rounds: median (range)\n")
        _print_table({one.name: cost for one, cost in zip(competitors, costs, strict=True)})


def torch_blue_step(
    network: str, samples: int, batch: int, device: torch.device | None = None, precision: str = "fp32"
) -> Work:
    """Return a training step as a user of torch-blue would write it, on the CPU in fp32 unless told otherwise."""
    device = device or torch.device("cpu")
    model = build_network(model_hparams(network), NUM_CLASSES, 0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):  # vmap cannot update statistics in place
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
            layer.track_running_stats = False
    vi.convert_to_vimodule(model, keep_weights=True, prior=MeanFieldNormal(0.0, 1.0))
    model.to(device)
    loss = vi.KullbackLeiblerLoss(Categorical(), dataset_size=NUM_EXAMPLES, heat=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = (part.to(device) for part in random_batch(network, batch))
    images = images.contiguous()
    model.train()
    autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")

    def work() -> None:
        optimizer.zero_grad()
        with autocast:
            logits = model(images, samples=samples)
        loss(logits.float(), labels).backward()
        optimizer.step()

    return work


def _print_table(costs: Mapping[str, Cost]) -> None:
    rivals = [name for name in TORCH_BLUE if name in costs]
    columns = ["kind", "CPU seconds a step", "deterministic steps", "memory (MiB)"]
    columns += [f"times as fast as {rival}" for rival in rivals]
    columns += [f"memory of {rival} / its own" for rival in rivals]
    print_header(*columns)
    for name, cost in costs.items():
        cells = [name, figure(cost.median), cost.over(costs[DETERMINISTIC]), f"{cost.mebibytes:,.0f}"]
        if name in rivals:
            cells += ["–"] * (len(columns) - len(cells))
        else:
            cells += [costs[rival].over(cost) for rival in rivals]
            cells += [figure(costs[rival].mebibytes / cost.mebibytes) for rival in rivals]
        print_row(*cells)
    print()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="images in a batch (default: 128)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every competitor (default: 7)")
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), metavar="NAME", help="which networks")
    parser.add_argument("--ours", action="store_true", help="leave torch-blue's own way out")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
