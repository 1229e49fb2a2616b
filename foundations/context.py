"""Everything about a run that does not change its results: where it runs and where its files lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from foundations.errors import InvalidValue

ROOT_VARIABLE = "OPEN_LTH_ROOT"
DATASET_ROOT_VARIABLE = "OPEN_LTH_DATASETS"


def default_root() -> Path:
    """Return where results go unless `--root` says otherwise."""
    return Path(os.environ.get(ROOT_VARIABLE, "~/open_lth_data")).expanduser()


def default_dataset_root() -> Path:
    """Return where data sets lie unless `--dataset_root` says otherwise."""
    return Path(os.environ.get(DATASET_ROOT_VARIABLE, "~/open_lth_datasets")).expanduser()


@dataclass(frozen=True)
class RunContext:
    """The circumstances of a run, handed down to whatever needs them; nothing here enters a hash."""

    root: Path
    dataset_root: Path
    device: torch.device = torch.device("cpu")
    num_workers: int = 0
    quiet: bool = True
    evaluate_only_at_end: bool = False
    command: tuple[str, ...] = ()


def choose_device(name: str) -> torch.device:
    """Return the device of a name; `auto` means the first CUDA device, or else the CPU.

    Raises:
        InvalidValue: if there is no such device on this machine.
    """
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        available.append("mps")
    if name == "auto":
        return torch.device("cuda" if "cuda" in available else "cpu")
    if name not in available:
        raise InvalidValue("device", name, f"this machine has auto, {', '.join(available)}")
    return torch.device(name)
