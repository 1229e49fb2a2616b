"""What is kept beside results so that a reader knows where they come from."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from foundations.context import RunContext
from foundations.paths import RunPaths
from foundations.storage import write_json, write_text

_PACKAGES = ("open-lth", "torch", "torchvision", "torch-blue", "numpy")
_PLUGINS = "open_lth.plugins"


def save_hparams(paths: RunPaths, text: str) -> None:
    """Write an experiment's hyperparameters, unless they are there already."""
    if not paths.hparams.exists():
        write_text(paths.hparams, text)


def save_command(paths: RunPaths, context: RunContext) -> None:
    """Write the command that makes a run, with versions and machine, unless an earlier one began it."""
    if not paths.command.exists():
        write_json(paths.command, _provenance(context))


def _provenance(context: RunContext) -> dict[str, Any]:
    return {
        "command": list(context.command),
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": platform.node(),
        "processor": platform.machine(),
        "device": str(context.device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "commit": _commit(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "plugins": _plugins(),
    }


@functools.cache
def _commit() -> str | None:
    """Return the commit of the checkout that runs, with `-dirty` if files differ from it; None if it is none."""
    project = Path(__file__).parents[2]
    asked = ("rev-parse", "--show-toplevel"), ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        found = [
            subprocess.run(("git", "-C", project, *words), capture_output=True, text=True, timeout=10, check=True)
            for words in asked
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    top, commit = (one.stdout.strip() for one in found)
    return commit if Path(top) == project else None


def _plugins() -> dict[str, str]:
    """Return the versions of what adds to this project: a score of the same name may have changed."""
    found = (entry.dist for entry in importlib.metadata.entry_points(group=_PLUGINS))
    return {dist.name: dist.version for dist in found if dist is not None}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
