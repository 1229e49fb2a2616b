"""Exported tickets, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from foundations.errors import InvalidValue, UnreadableFile, UserError, one_of
from foundations.messages import LOGGER
from models import ModelHparams
from open_lth.compaction import AttentionSize, narrowed
from open_lth.export.card import FORMAT
from open_lth.export.files import read_card, read_tensors
from open_lth.export.paths import TicketPaths
from pruning import Mask
from training import VARIANTS, Deterministic

OWN, DETERMINISTIC, COMPACT = "own", "deterministic", "compact"
FORMS = (OWN, DETERMINISTIC, COMPACT)


@dataclass(frozen=True)
class Ticket:
    """A ticket in memory.

    Args:
        network: the network, on the CPU and in evaluation mode.
        mask: which weights are kept, by the names that they have in the network that is not compacted.
        card: what is known of it; see `config.json` there.
        directory: where it was read from.
    """

    network: nn.Module
    mask: Mask
    card: Mapping[str, Any]
    directory: Path


def load_ticket(path: str | Path, form: str = OWN) -> Ticket:
    """Read a ticket that `export` has written.

    Args:
        path: its directory.
        form: `own`, the network as it was trained, distributions of weights included; `deterministic`, the network of
            numbers that stands for it; `compact`, the smaller one that computes the same as that. Where its variant is
            not registered, as when a plugin is missing, a message says so and its own form is the deterministic one.

    Raises:
        UserError: if a file is missing or damaged, or does not fit what is registered here.
    """
    if form not in FORMS:
        raise InvalidValue("form", form, one_of(FORMS))
    place = TicketPaths(Path(path).expanduser())
    card = read_card(place.card)
    if card.get("format", 0) > FORMAT:
        raise UserError(f"{place.card}: was written by a newer version of this project, {card['library']['version']}")
    mask = Mask(read_tensors(place.mask, card["digests"]))
    state = read_tensors(place.weights, card["digests"])
    try:
        network = _network(place, card, state, form)
    except (RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableFile(place.directory, f"does not fit the network on its card: {reason}", remedy="") from None
    return Ticket(network.eval(), mask, card, place.directory)


def _network(place: TicketPaths, card: Mapping[str, Any], state: Mapping[str, Tensor], form: str) -> nn.Module:
    network = card["network"]
    hparams, classes, name = ModelHparams(**network["model"]), network["classes"], network["variant"]
    if form == OWN and name not in VARIANTS:
        LOGGER.warning("%s: no variant %s is registered; its deterministic network is loaded", place.directory, name)
        form = DETERMINISTIC
    if form == OWN:
        kind = VARIANTS.get(name)
        variant = kind(kind.hparams(**network["variant_hparams"])) if kind.hparams is not None else kind()
        own = variant.build(hparams, classes, seed=0)
        further = read_tensors(place.further, card["digests"]) if place.further.name in card["digests"] else {}
        variant.restore(own, state, further)
        return own
    plain = Deterministic().build(hparams, classes, seed=0)
    plain.load_state_dict(dict(state))
    return _compacted(place, plain) if form == COMPACT else plain


def _compacted(place: TicketPaths, plain: nn.Module) -> nn.Module:
    if not place.compact_card.exists():
        raise UserError(f"{place.directory}: holds no compacted network; export it with --compact")
    card = read_card(place.compact_card)
    sizes = {name: AttentionSize(**size) for name, size in card["attention"].items()}
    return narrowed(plain, read_tensors(place.compact, card["digests"]), sizes)
