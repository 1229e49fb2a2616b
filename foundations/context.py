"""Everything about a run that does not change its results: where it runs and where its files lie."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from foundations.errors import InvalidValue
from foundations.ranks import Ranks
from foundations.sink import SinkKind

ROOT_VARIABLE = "OPEN_LTH_ROOT"
DATASET_ROOT_VARIABLE = "OPEN_LTH_DATASETS"
REPORT_VARIABLE = "OPEN_LTH_REPORT_TO"
"""Set by a process for those that it starts, not by users."""


def user_path(field: str, text: str) -> Path:
    """Return the path that a user means; `~` is a home directory.

    Raises:
        InvalidValue: if there is nothing, as when a shell's variable is not set, or no such home directory.
    """
    if not text:
        raise InvalidValue(field, text, "must be a path, not nothing")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InvalidValue(field, text, "there is no such home directory") from None


def default_root() -> Path:
    """Return where results go unless `--root` says otherwise."""
    return user_path("root", os.environ.get(ROOT_VARIABLE) or "~/open_lth_data")


def default_dataset_root() -> Path:
    """Return where data sets lie unless `--dataset_root` says otherwise."""
    return user_path("dataset_root", os.environ.get(DATASET_ROOT_VARIABLE) or "~/open_lth_datasets")


def reporting_pipe() -> int | None:
    """Return the pipe to which the process that started this one wants progress reported, if there is one."""
    try:
        descriptor = int(os.environ.get(REPORT_VARIABLE, ""))
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (ValueError, OSError):
        return None


@dataclass(frozen=True)
class Sharing:
    """How the processes of one run share the work on a batch.

    Args:
        split: `examples`, each process works on its part of the batch; or `samples`, on its part of the samples that a
            stochastic network draws for the batch.
        noise: `own`, processes draw different random numbers for their examples; or `shared`.
    """

    split: str = "examples"
    noise: str = "own"


@dataclass(frozen=True)
class RunContext:
    """The circumstances of a run, handed down to whatever needs them; nothing here enters a hash.

    Args:
        checkpoint_minutes: how much training a kill may cost within an epoch.
        compile: whether networks are compiled, on a GPU into captured graphs.
        lock_timeout: seconds to wait for another process that works on the same run.
        report_to: the pipe to which progress is reported, instead of being shown.
        ranks: the processes that train the run together, usually this one alone.
        sharing: how they share the work.
        sinks: where measures go besides the logger, by the flags that chose them.
    """

    root: Path
    dataset_root: Path
    device: torch.device = torch.device("cpu")
    num_workers: int = 0
    compile: bool = False
    quiet: bool = True
    evaluate_only_at_end: bool = False
    command: tuple[str, ...] = ()
    report_to: int | None = None
    checkpoint_minutes: float = 10.0
    lock_timeout: float = 0.0
    sinks: Mapping[str, SinkKind] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=Ranks)
    sharing: Sharing = Sharing()

    @property
    def example_ranks(self) -> Ranks:
        """The processes that share the examples of a batch."""
        return self.ranks if self.sharing.split == "examples" else Ranks()

    @property
    def sample_ranks(self) -> Ranks:
        """The processes that share the samples that a network draws for a batch."""
        return self.ranks if self.sharing.split == "samples" else Ranks()

    def without_ranks(self) -> RunContext:
        """Return the part that can be told another process."""
        return replace(self, ranks=Ranks(), sinks={}, command=(), report_to=None, quiet=True)

    def on(self, ranks: Ranks) -> RunContext:
        """Return the circumstances of one of several processes, each of which has a GPU of its own if there are any."""
        own_gpu = ranks.size > 1 and self.device.type == "cuda"
        device = torch.device("cuda", ranks.local) if own_gpu else self.device
        return replace(self, ranks=ranks, device=device)


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
