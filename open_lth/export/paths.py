"""Where everything of an exported ticket is; every name is made here, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TicketPaths:
    """The files of an exported ticket, under the names that Hugging Face's Hub gives such files.

    Args:
        directory: the ticket's own directory.
    """

    directory: Path

    @property
    def weights(self) -> Path:
        """The state dict of the deterministic network that the ticket is, or that stands for it."""
        return self.directory / "model.safetensors"

    @property
    def further(self) -> Path:
        """What else a network of the ticket's variant is made of; not there for deterministic ones."""
        return self.directory / "distribution.safetensors"

    @property
    def mask(self) -> Path:
        """The mask: 1 where a weight is kept."""
        return self.directory / "mask.safetensors"

    @property
    def card(self) -> Path:
        """The model card for programs; written last, so that a ticket with a card is whole."""
        return self.directory / "config.json"

    @property
    def readme(self) -> Path:
        """The model card for people."""
        return self.directory / "README.md"

    @property
    def compact(self) -> Path:
        """The state dict of the compacted network."""
        return self.directory / "compact.safetensors"

    @property
    def compact_card(self) -> Path:
        """What makes the compacted network from its state dict, and how near it comes; written last."""
        return self.directory / "compact.json"

    def onnx(self, form: str) -> Path:
        """Return the place of a network in ONNX's format: `model` or `compact`."""
        return self.directory / f"{form}.onnx"

    @property
    def summary(self) -> Path:
        """What the mask saves, counted and measured."""
        return self.directory / "summary.json"

    def files(self) -> tuple[Path, ...]:
        """Return all places, whether there is a file or not."""
        networks = (self.weights, self.further, self.compact, self.onnx("model"), self.onnx("compact"))
        return (self.readme, self.card, self.mask, *networks, self.compact_card, self.summary)
