"""A ticket's smaller network, beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from torch import Tensor, nn

from open_lth.compaction import TOLERANCE, compact
from open_lth.export.files import write_json, write_tensors
from open_lth.export.loading import DETERMINISTIC, load_ticket
from open_lth.export.paths import TicketPaths
from training import TrainingRun, logits_of, measure


def export_compacted(run: TrainingRun, place: TicketPaths) -> None:
    """Write the compacted form of a ticket that is there, judged by the run's test set, unless it is there as well.

    Raises:
        UserError: if the network's operations cannot be followed, or the test set is not there.
    """
    if place.compact_card.exists():
        return
    test = run.evaluator().test

    def images() -> Iterator[Tensor]:
        return (batch for batch, _ in test)

    wide = load_ticket(place.directory, DETERMINISTIC).network
    compacted = compact(wide, images)
    digest = write_tensors(place.compact, compacted.network.state_dict())
    card = {
        "digests": {place.compact.name: digest},
        "attention": {name: asdict(size) for name, size in compacted.attention.items()},
        "parameters": {"dense": count_parameters(wide), "compacted": count_parameters(compacted.network)},
        "measures": measure(logits_of(compacted.network, images()).log_softmax(dim=1), test.labels),
        "deviation": compacted.deviation,
        "tolerance": TOLERANCE,
        "layers": _sizes(wide, compacted.network),
    }
    write_json(place.compact_card, card)


def count_parameters(network: nn.Module) -> int:
    """Return the number of a network's parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def _sizes(wide: nn.Module, narrow: nn.Module) -> dict[str, list[list[int]]]:
    """Return the shapes that differ, before and after, by the tensor's name."""
    before = {name: list(tensor.shape) for name, tensor in wide.named_parameters()}
    after = {name: list(tensor.shape) for name, tensor in narrow.named_parameters()}
    return {name: [before[name], shape] for name, shape in after.items() if name in before and before[name] != shape}
