"""How many outputs a network has that OpenLTH trained: it gave most networks 10, whatever the data set."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from foundations.storage import load_tensors
from models import ModelHparams, find_family


def outputs_of(path: Path, hparams: ModelHparams, num_classes: int) -> int:
    """Return the number of a network's outputs.

    Args:
        path: where the network is saved, if it is there.
        num_classes: that of the data set, which the number is for a new network.

    Raises:
        UnreadableFile: if the file is damaged.
    """
    if not path.exists():
        return num_classes
    state = load_tensors(path)
    weight = state.get(f"{find_family(hparams.model_name).output_layer}.weight") if isinstance(state, dict) else None
    return len(weight) if isinstance(weight, Tensor) and weight.ndim > 0 else num_classes
