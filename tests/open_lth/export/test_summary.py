"""What a summary counts, and says in words."""

from __future__ import annotations

import json

import pytest
import torch

from models import prunable_tensor_names
from open_lth.compaction import compact
from open_lth.export.latency import Latency
from open_lth.export.summary import export_summary, said_of_times, summarise
from pruning import Mask
from tests.open_lth.compaction.networks import parameters, pruned
from tests.open_lth.running import snapshot


def summary_of(name: str, density: float):
    model, images = pruned(name, density, seed=0)
    images = images.repeat(16, 1, 1, 1)
    mask = Mask({key: (model.get_parameter(key) != 0).int() for key in prunable_tensor_names(model)})
    narrow = compact(model, lambda: [images]).network
    return model, narrow, mask, summarise(model, narrow, mask, images)


def test_it_counts_parameters_multiply_adds_and_bytes():
    model, narrow, mask, summary = summary_of("mnist_lenet_30_20", 0.02)
    biases = 30 + 20 + 10
    assert summary["parameters"] == {
        "dense": 784 * 30 + 30 * 20 + 20 * 10 + biases,
        "kept": mask.unpruned + biases,
        "compacted": parameters(narrow),
    }
    assert summary["multiply_adds"]["dense"] == 784 * 30 + 30 * 20 + 20 * 10
    assert summary["multiply_adds"]["compacted"] == sum(
        layer.weight.numel() for layer in (*narrow.fc_layers, narrow.fc)
    )
    assert summary["multiply_adds"]["ideal"] == mask.unpruned
    assert summary["bytes"]["dense"] == 4 * parameters(model)
    rows = 30 + 20 + 10 + 3  # and one end more than rows in each layer
    assert summary["bytes"]["csr"] == mask.unpruned * (4 + 8) + rows * 8 + biases * 4


def test_it_measures_each_form_for_one_image_and_for_a_batch_and_says_on_what():
    *_, summary = summary_of("mnist_lenet_30_20", 0.02)
    assert {size: set(forms) for size, forms in summary["latency"].items()} == {
        "1": {"dense", "compacted", "csr"},
        "64": {"dense", "compacted", "csr"},
    }
    assert summary["processor"].endswith(", 1 thread")


def test_it_says_if_compaction_removes_nothing():
    *_, summary = summary_of("mnist_lenet_30_20", 1.0)
    assert "compaction removes nothing: every unit is in use" in summary["in_words"]
    assert any("as many multiply-adds" in line for line in summary["in_words"])


DENSE = Latency(median=1.0, lower=0.9, upper=1.1)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Latency(0.5, 0.4, 0.8), "compacted, 1 image: 2.00 times as fast as dense"),
        (
            Latency(0.8, 0.7, 0.95),
            "compacted, 1 image: nothing is gained; its time and that of dense lie within each other's quartiles",
        ),
        (
            Latency(1.0, 0.9, 1.1),
            "compacted, 1 image: nothing is gained; its time and that of dense lie within each other's quartiles",
        ),
        (Latency(2.0, 1.5, 3.0), "compacted, 1 image: slower than dense, 2.00 times its time"),
    ],
)
def test_a_gain_is_one_whose_quartiles_lie_apart(other, said):
    assert list(said_of_times({"dense": DENSE, "compacted": other}, size=1)) == [said]


def test_the_summary_of_a_ticket_is_kept_and_not_measured_again(compacted):
    torch.manual_seed(0)
    first = export_summary(compacted)
    assert json.loads(compacted.summary.read_text()) == first
    before = snapshot(compacted.directory)
    assert export_summary(compacted) == first
    assert snapshot(compacted.directory) == before
    assert first["parameters"]["compacted"] < first["parameters"]["dense"] / 2
