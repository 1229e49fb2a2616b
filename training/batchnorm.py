"""The statistics of BatchNorm: kept as they are, or recomputed for weights that training has never seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batchnorm_layers(model: nn.Module) -> list[_BatchNorm]:
    """Return a network's BatchNorm layers."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


@contextmanager
def statistics_restored(model: nn.Module) -> Iterator[None]:
    """Put the layers' running statistics, momenta and mode back as they were when the block ends."""
    layers = batchnorm_layers(model)
    saved = [
        ({name: b.clone() for name, b in layer.named_buffers()}, layer.momentum, layer.training) for layer in layers
    ]
    try:
        yield
    finally:
        for layer, (_, momentum, training) in zip(layers, saved, strict=True):
            layer.momentum = momentum
            layer.train(training)
        for layer, (buffers, *_) in zip(layers, saved, strict=True):  # at last: a failing GPU refuses to copy
            for name, buffer in layer.named_buffers():
                buffer.copy_(buffers[name])


def recalibrate(model: nn.Module, batches: Iterable[Tensor], forward: Callable[[Tensor], object]) -> None:
    """Recompute the statistics for the weights in place, as averages over images, batch by batch.

    A batch counts by its images. The layers end in evaluation mode. Call inside `statistics_restored`.

    Args:
        batches: training images, each (B, C, H, W).
        forward: a pass through the network, without gradient.
    """
    layers = batchnorm_layers(model)
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    seen = 0
    for images in batches if layers else ():
        seen += len(images)
        for layer in layers:
            # Makes the running statistics the average over the images so far. BatchNorm's own way to an average,
            # momentum None, counts every batch alike, and reads a counter from the device at every pass.
            layer.momentum = len(images) / seen
        forward(images)
    for layer in layers:
        layer.eval()
