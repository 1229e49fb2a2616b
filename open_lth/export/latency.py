"""How long networks take here, with the spread of the measurement."""

from __future__ import annotations

import contextlib
import copy
import statistics
import timeit
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models import prunable_layers

_ROUNDS = 30
_SECONDS = 0.005
"""How long each network computes in each round, at least."""


@dataclass(frozen=True)
class Latency:
    """The seconds that a batch takes: the median and the quartiles of repeated runs."""

    median: float
    lower: float
    upper: float


def measure_latencies(forms: Mapping[str, nn.Module], images: Tensor, rounds: int = _ROUNDS) -> dict[str, Latency]:
    """Measure the time that networks take for a batch of images on the CPU, on one thread.

    They take turns, round after round, so that a machine that is busy for a while slows down all of them.
    """
    with one_thread(), torch.no_grad():
        timers = {name: _timer(network, images) for name, network in forms.items()}
        numbers = {name: max(1, round(_SECONDS / min(timer.repeat(3, 1)))) for name, timer in timers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in forms}
        for _ in range(rounds):
            for name, timer in timers.items():
                seconds[name].append(timer.timeit(numbers[name]) / numbers[name])
    return {name: Latency(*_median_and_quartiles(values)) for name, values in seconds.items()}


def _timer(network: nn.Module, images: Tensor) -> timeit.Timer:
    compute: Callable[[], object] = lambda: network(images)  # noqa: E731 - what is timed
    compute()
    return timeit.Timer(compute)


def _median_and_quartiles(values: list[float]) -> tuple[float, float, float]:
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return median, lower, upper


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class CsrLinear(nn.Module):
    """A linear layer whose weight is stored in compressed rows: its zeros take neither memory nor time."""

    weight: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            self.register_buffer("weight", layer.weight.detach().to_sparse_csr())
        self.bias = layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        inputs = input.flatten(0, -2).t()  # weights times inputs, the transpose of F.linear, is up to 5 times as fast
        outputs: Tensor = (
            self.weight @ inputs if self.bias is None else torch.addmm(self.bias[:, None], self.weight, inputs)
        )
        return outputs.t().reshape(*input.shape[:-1], -1)


def with_csr_layers(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose linear layers store their weights in compressed rows."""
    result = copy.deepcopy(network)
    for name, layer in prunable_layers(result).items():
        if type(layer) is nn.Linear:
            result.set_submodule(name, CsrLinear(layer))
    return result
