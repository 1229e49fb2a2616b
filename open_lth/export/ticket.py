"""A run's ticket as files that others can use: weights, mask and card."""

from __future__ import annotations

import torch
from torch import nn

from foundations.errors import UserError
from open_lth.export.card import as_markdown, make_card
from open_lth.export.files import write_bytes, write_json, write_tensors
from open_lth.export.paths import TicketPaths
from pruning import Mask, apply_mask, check_same_tensors, prunable_shapes
from training import TrainingRun


def export_ticket(run: TrainingRun, place: TicketPaths, licence: str) -> None:
    """Write a finished run's trained weights, its mask and its card, unless they are there.

    Args:
        place: where to.
        licence: under which the weights may be used, by its SPDX identifier.

    Raises:
        UserError: if the run is not finished, or its files are damaged.
    """
    if place.card.exists():
        return
    if not run.is_done:
        raise UserError(f"{run.paths.directory}: is not finished; its own command finishes it")
    model, mask = trained_network(run)
    variant = run.variant
    further = variant.further_state(model)
    card = make_card(run, mask, licence)
    digests = {
        place.weights.name: write_tensors(
            place.weights, variant.deterministic_state(model, lambda: run.evaluator().calibration_images())
        ),
        place.mask.name: write_tensors(place.mask, {name: kept.to(torch.uint8) for name, kept in mask.items()}),
    }
    if further:
        digests[place.further.name] = write_tensors(place.further, further)
    card["digests"] = digests
    write_bytes(place.readme, as_markdown(card, variant.description).encode())
    write_json(place.card, card)


def trained_network(run: TrainingRun) -> tuple[nn.Module, Mask]:
    """Return a run's network at the end of training, its pruned weights exactly as pruned ones are, and its mask."""
    model = run.load_network(run.end)
    prunable = run.variant.prunable(model)
    shapes = prunable_shapes(prunable)
    mask = Mask.load(run.paths.mask) if run.paths.mask.exists() else Mask.ones(shapes)
    check_same_tensors(mask, shapes, str(run.paths.mask))
    apply_mask(prunable, mask)
    return model, mask
