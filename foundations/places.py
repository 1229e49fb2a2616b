"""Where results and data sets lie, unless a flag says otherwise."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from foundations.arguments import add_flags_of
from foundations.flags import UserPath, flag

ROOT_VARIABLE = "OPEN_LTH_ROOT"
DATASET_ROOT_VARIABLE = "OPEN_LTH_DATASETS"


def default_root() -> Path:
    """Return where results go unless `--root` says otherwise."""
    return Path(os.path.expanduser(os.environ.get(ROOT_VARIABLE) or "~/open_lth_data"))


def default_dataset_root() -> Path:
    """Return where data sets lie unless `--dataset_root` says otherwise."""
    return Path(os.path.expanduser(os.environ.get(DATASET_ROOT_VARIABLE) or "~/open_lth_datasets"))


@dataclass(frozen=True)
class Places:
    """Where a command finds and leaves files."""

    root: UserPath = flag(f"where results lie; {ROOT_VARIABLE} sets it too", metavar="DIR")
    dataset_root: UserPath = flag(f"where data sets lie; {DATASET_ROOT_VARIABLE} sets it too", metavar="DIR")


def default_places() -> dict[str, object]:
    """Return where files lie unless flags say otherwise, by flag."""
    # As texts, which are read as those of flags are: a variable may name no home directory.
    return {"root": str(default_root()), "dataset_root": str(default_dataset_root())}


def add_place_flags(section: argparse._ActionsContainer, *places: str) -> None:
    """Add the flags that say where files lie, all or those of some places."""
    names = places or tuple(default_places())
    add_flags_of(section, Places, defaults=default_places(), only=names.__contains__)
