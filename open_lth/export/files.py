"""The files of a ticket: written whole or not at all, and read only if they are what the card says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from foundations.atomic import replace_atomically, sync_directory
from foundations.errors import UnreadableFile
from foundations.storage import read_json

_REMEDY = "export the run again"
_METADATA = {"format": "pt"}  # as the transformers library wants it


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors in the safetensors format, and return the file's SHA-256."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return write_bytes(path, safetensors.torch.save(content, _METADATA))


def write_json(path: Path, value: object) -> str:
    """Write a JSON file, and return its SHA-256."""
    return write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file, and return its SHA-256; none lies beside it, as the card has it."""
    replace_atomically(path, content)
    sync_directory(path.parent)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, digests: Mapping[str, str]) -> dict[str, Tensor]:
    """Read a file of tensors onto the CPU.

    Args:
        digests: the SHA-256 that the card gives for files, by name.

    Raises:
        UnreadableFile: if it is missing, damaged or another than the card's.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), _REMEDY) from None
    if hashlib.sha256(content).hexdigest() != digests.get(path.name):
        raise UnreadableFile(path, "its SHA-256 is not the one in the ticket's card", _REMEDY)
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise UnreadableFile(path, f"damaged ({error})", _REMEDY) from None


def read_card(path: Path) -> dict[str, Any]:
    """Read a card.

    Raises:
        UnreadableFile: if it is missing, or no card.
    """
    card = read_json(path)
    if not isinstance(card, dict) or not isinstance(card.get("digests"), dict):
        raise UnreadableFile(path, "is not the card of a ticket", _REMEDY)
    return card
