"""Times are those of the networks, measured in turns on one thread."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from models import find_family
from open_lth.export.latency import CsrLinear, measure_latencies, one_thread, with_csr_layers
from tests.open_lth.compaction.networks import pruned


class Sleeping(nn.Module):
    """A network that takes some time, and tells when it began."""

    def __init__(self, seconds: float, calls: list[tuple[float, int]]) -> None:
        super().__init__()
        self.seconds, self.calls = seconds, calls

    def forward(self, images: Tensor) -> Tensor:
        self.calls.append((self.seconds, torch.get_num_threads()))
        time.sleep(self.seconds)
        return images


def test_the_median_is_what_a_network_takes_and_lies_between_the_quartiles():
    forms = {"slow": Sleeping(0.02, []), "fast": Sleeping(0.005, [])}
    measured = measure_latencies(forms, torch.zeros(1, 1), rounds=5)
    assert measured["slow"].median > 0.02 > measured["fast"].lower > 0.005
    for latency in measured.values():
        assert latency.lower <= latency.median <= latency.upper


def test_networks_take_turns_on_one_thread():
    calls: list[tuple[float, int]] = []
    measure_latencies({"a": Sleeping(0.011, calls), "b": Sleeping(0.012, calls)}, torch.zeros(1, 1), rounds=4)
    assert [seconds for seconds, _ in calls][-8:] == [0.011, 0.012] * 4
    assert {threads for _, threads in calls} == {1}


def test_the_number_of_threads_is_put_back():
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("name", ["mnist_lenet_30_20", "cifar_vit_2_32_2", "cifar_vgg_11_4"])
def test_compressed_rows_compute_the_same(name):
    model, images = pruned(name, density=0.05, seed=0)
    sparse = with_csr_layers(model)
    assert isinstance(sparse.get_submodule(find_family(name).output_layer), CsrLinear)
    assert torch.allclose(sparse(images), model(images), atol=1e-5)
