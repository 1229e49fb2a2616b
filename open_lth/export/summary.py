"""What a mask saves: counted, and measured on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from foundations.hardware import processor_name
from foundations.storage import read_json
from open_lth.export.compacted import count_parameters
from open_lth.export.files import write_json
from open_lth.export.latency import CsrLinear, Latency, measure_latencies, one_thread, with_csr_layers
from open_lth.export.loading import COMPACT, DETERMINISTIC, load_ticket
from open_lth.export.multiply_adds import multiply_adds
from open_lth.export.paths import TicketPaths
from pruning import Mask

BATCHES = (1, 64)
"""The numbers of images of which the time is measured."""

DENSE, COMPACTED, CSR = "dense", "compacted", "csr"

Summary = dict[str, Any]


def export_summary(place: TicketPaths) -> Summary:
    """Write the summary of a ticket whose compacted form is there, unless it is there as well, and return it."""
    if not place.summary.exists():
        ticket = load_ticket(place.directory, DETERMINISTIC)
        narrow = load_ticket(place.directory, COMPACT).network
        images = torch.randn(max(BATCHES), *ticket.card["data"]["image_shape"])
        write_json(place.summary, summarise(ticket.network, narrow, ticket.mask, images))
    summary: Summary = read_json(place.summary)
    return summary


def summarise(network: nn.Module, compacted: nn.Module, mask: Mask, images: Tensor) -> Summary:
    """Return sizes, multiply-adds of an image, bytes and latencies of a network's forms, and what they amount to.

    `ideal` counts a multiply-add for each weight that is kept, wherever it is applied, and those of the compacted
    network in which no weight takes part.

    Args:
        network: the network as it was trained, its pruned weights 0.
        compacted: its smaller form.
        images: as many as are measured at a time, (N, C, H, W).
    """
    forms = {DENSE: network, COMPACTED: compacted}
    if any(type(module) is nn.Linear for module in network.modules()):
        forms[CSR] = with_csr_layers(network)
    dense, narrow = multiply_adds(network, images[:1]), multiply_adds(compacted, images[:1])
    ideal = round(dense.of_kept(mask.densities)) + narrow.elsewhere
    parameters = count_parameters(network)
    with one_thread():
        processor = processor_name(torch.device("cpu"))
    summary: Summary = {
        "parameters": {
            DENSE: parameters,
            "kept": parameters - mask.total + mask.unpruned,
            COMPACTED: count_parameters(compacted),
        },
        "multiply_adds": {DENSE: dense.total, COMPACTED: narrow.total, "ideal": ideal},
        "bytes": {name: _bytes(form) for name, form in forms.items()},
        "processor": processor,
        "latency": {},
    }
    words = list(said_of_counts(summary))
    for size in BATCHES:
        measured = measure_latencies(forms, images[:size])
        summary["latency"][str(size)] = {name: asdict(latency) for name, latency in measured.items()}
        words += said_of_times(measured, size)
    return {**summary, "in_words": words}


def _bytes(network: nn.Module) -> int:
    sparse = [module.weight for module in network.modules() if isinstance(module, CsrLinear)]
    parts = [part for one in sparse for part in (one.values(), one.col_indices(), one.crow_indices())]
    others = [tensor for tensor in network.state_dict().values() if tensor.layout is torch.strided]
    return sum(part.numel() * part.element_size() for part in (*parts, *others))


def said_of_counts(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say in words what is saved by the numbers of parameters and multiply-adds."""
    parameters, counts = summary["parameters"], summary["multiply_adds"]
    if parameters[COMPACTED] == parameters[DENSE]:
        yield "compaction removes nothing: every unit is in use"
    else:
        yield f"compacted: {parameters[DENSE] / parameters[COMPACTED]:.2f} times fewer parameters"
    saved = f"{counts[DENSE] / counts[COMPACTED]:.2f} times fewer" if counts[COMPACTED] < counts[DENSE] else "as many"
    ideal = counts[DENSE] / max(1, counts["ideal"])
    yield f"compacted: {saved} multiply-adds; ideal, without one for any pruned weight: {ideal:.2f} times fewer"


def said_of_times(latencies: Mapping[str, Latency], size: int) -> Iterator[str]:
    """Say which forms are faster than the dense network: those whose quartiles lie apart from its."""
    dense = latencies[DENSE]
    images = "1 image" if size == 1 else f"{size} images"
    for name, latency in latencies.items():
        ratio = latency.median / dense.median
        if name == DENSE:
            continue
        if latency.upper < dense.lower:
            yield f"{name}, {images}: {1 / ratio:.2f} times as fast as dense"
        elif latency.lower > dense.upper:
            yield f"{name}, {images}: slower than dense, {ratio:.2f} times its time"
        else:
            yield f"{name}, {images}: nothing is gained; its time and that of dense lie within each other's quartiles"
