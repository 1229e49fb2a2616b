"""All weight samples in one pass of grouped convolutions, beside one pass a sample.

    python benchmarks/grouped_samples.py --samples 2 10

finds the gradient of ResNet-20's loss with respect to S samples of its weights (batch 128, BatchNorm with batch
statistics) in two ways: a loop, as open_lth does it, with forward and backward pass for each sample; and at once, where
the features of all samples lie side by side as S x C channels and each convolution has S groups. On the CPU they run in
float32, one thread, processor time, each in a process of its own. On a GPU they run in bf16, elapsed time, each
captured in a CUDA graph, so that launching kernels costs neither of them anything.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from measuring import Competitor, Work, figure, print_header, print_row, side_by_side, spread
from models import build_network
from models.cifar_resnet import Block, ResidualNetwork
from steps import NUM_CLASSES, model_hparams, random_batch

LAYOUTS = {"channels_last": torch.channels_last, "NCHW": torch.contiguous_format}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    compare(args.network, args.samples, args.batch, args.rounds, device)


def compare(network: str, samples: Sequence[int], batch: int, rounds: int, device: torch.device) -> None:
    """Print a row for each number of samples and each layout of the grouped features."""
    unit = "ms, elapsed" if device.type == "cuda" else "ms, CPU"
    print_header("samples", f"loop ({unit})", "layout of the groups", f"grouped ({unit})", "grouped / loop")
    for number in samples:
        ways = [(1, "channels_last"), *((number, layout) for layout in LAYOUTS)]
        if device.type == "cuda":
            seconds = _on_gpu(
                [gradients(network, number, width, batch, layout, "cuda") for width, layout in ways], rounds
            )
        else:
            arguments = [(network, number, width, batch, layout, "cpu") for width, layout in ways]
            costs = side_by_side([Competitor(str(one), gradients, one) for one in arguments], rounds)
            seconds = [cost.seconds for cost in costs]
        loop = seconds[0]
        for layout, grouped in zip(LAYOUTS, seconds[1:], strict=True):
            ratios = spread(mine / other for mine, other in zip(grouped, loop, strict=True))
            times = [figure(1000 * statistics.median(one)) for one in (loop, grouped)]
            print_row(str(number), times[0], layout, times[1], ratios)


def gradients(network: str, samples: int, width: int, batch: int, layout: str, device: str) -> Work:
    """Return what finds the gradients of all samples, `width` samples in a pass.

    Args:
        width: 1 for a loop over samples, their number for a single pass.
    """
    precision = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")
    model = build_network(model_hparams(network), NUM_CLASSES, 0).to(device)
    assert isinstance(model, ResidualNetwork)
    chunks = [weight_samples(model, width, LAYOUTS[layout]) for _ in range(samples // width)]
    images, labels = (part.to(device) for part in random_batch(network, batch))
    images = images.contiguous(memory_format=LAYOUTS[layout])

    def work() -> None:
        for weights in chunks:
            with precision:
                logits = forward(model, weights, images, width)
            losses = F.cross_entropy(logits.float().flatten(0, 1), labels.repeat(width))
            for weight, gradient in zip(weights, torch.autograd.grad(losses / len(chunks), weights), strict=True):
                weight.grad = gradient

    return _captured(work) if device == "cuda" else work


def weight_samples(model: ResidualNetwork, samples: int, layout: torch.memory_format) -> list[Tensor]:
    """Return samples of every convolution's weights, (S x filters, inputs, k, k), and of the output layer's."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            mean = layer.weight.detach().cpu()
            drawn = torch.stack([mean + 0.01 * torch.randn(mean.shape, generator=generator) for _ in range(samples)])
            if isinstance(layer, nn.Conv2d):
                drawn = drawn.flatten(0, 1).contiguous(memory_format=layout)
            found.append(drawn.to(layer.weight.device).requires_grad_())
    return found


def forward(model: ResidualNetwork, weights: Sequence[Tensor], images: Tensor, samples: int) -> Tensor:
    """Return the logits (S, B, classes) of a network under samples of its weights, in the order of its modules."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    of = {id(layer): weight for layer, weight in zip(convolutions, weights, strict=False)}

    def convolve(layer: nn.Conv2d, norm: nn.BatchNorm2d, features: Tensor, groups: int = samples) -> Tensor:
        features = F.conv2d(features, of[id(layer)], None, layer.stride, layer.padding, groups=groups)
        scale, shift = norm.weight.repeat(samples), norm.bias.repeat(samples)
        return F.batch_norm(features, None, None, scale, shift, training=True)

    # All samples see the same images, so the first convolution is an ordinary one with S times the filters.
    features = F.relu(convolve(model.conv, model.bn, images, groups=1))
    for block in model.blocks:
        features = _through(block, features, convolve)
    pooled = features.mean((2, 3)).unflatten(1, (samples, -1)).transpose(0, 1)  # (S, B, filters)
    return torch.baddbmm(model.fc.bias, pooled, weights[-1].transpose(1, 2))


def _through(block: nn.Module, features: Tensor, convolve: Callable[..., Tensor]) -> Tensor:
    assert isinstance(block, Block)
    residual = F.relu(convolve(block.conv1, block.bn1, features))
    residual = convolve(block.conv2, block.bn2, residual)
    if isinstance(block.shortcut, nn.Sequential):
        features = convolve(block.shortcut[0], block.shortcut[1], features)
    return F.relu(residual + features)


def _captured(work: Work) -> Work:
    """Return the replay of work that has been captured in a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # capturing wants a warm-up on another stream
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def replay(_: Work = work) -> None:  # the graph reads what the work holds, and holds none of it itself
        graph.replay()

    return replay


def _on_gpu(ways: Sequence[Work], rounds: int, units: int = 20) -> list[tuple[float, ...]]:
    """Return elapsed seconds of a unit of each kind of work in each round, taken in turns."""

    def seconds(work: Work) -> float:
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(units):
            work()
        torch.cuda.synchronize()
        return (time.perf_counter() - began) / units

    for work in ways:
        seconds(work)
    return list(zip(*([seconds(work) for work in ways] for _ in range(rounds)), strict=True))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[2, 10], help="numbers of samples (default: 2 10)")
    parser.add_argument("--batch", type=int, default=128, help="images in a batch (default: 128)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every competitor (default: 5)")
    parser.add_argument("--network", default="cifar_resnet_20", metavar="NAME", help="a ResNet (cifar_resnet_20)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
