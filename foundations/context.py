"""Everything about a run that does not change its results: where it runs and where its files lie."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import torch

from foundations.errors import InvalidValue
from foundations.flags import Count, checked, flag, whole_number
from foundations.places import Places
from foundations.ranks import Ranks
from foundations.sink import SinkKind

REPORT_VARIABLE = "OPEN_LTH_REPORT_TO"
"""Set by a process for those that it starts, not by users."""


def reporting_pipe() -> int | None:
    """Return the pipe to which the process that started this one wants progress reported, if there is one."""
    try:
        descriptor = int(os.environ.get(REPORT_VARIABLE, ""))
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (ValueError, OSError):
        return None


@dataclass(frozen=True)
class Sharing:
    """How the processes of one run share the work on a batch."""

    title: ClassVar[str] = "Several processes"
    about: ClassVar[str] = (
        "torchrun --nproc_per_node=N open_lth.py ... trains each network with N processes, on GPUs one for each. "
        "The batch size stays that of all of them together."
    )

    split: str = flag(
        "what the processes share out: the examples of each batch, or the samples that a stochastic network draws for "
        "it, with the result of one process",
        "examples",
        ("examples", "samples"),
    )
    noise: str = flag(
        "whether processes that share examples draw different random numbers for them", "own", ("own", "shared")
    )
    timeout: Annotated[float, checked(float, "a number greater than 0", lambda x: bool(x > 0))] = flag(
        "minutes for which processes wait for each other to start", 10.0, metavar="MINUTES"
    )

    def describe(self, ranks: Ranks) -> str:
        """Return a line for the reader about how the processes share the work; nothing if there is but one."""
        if ranks.size == 1:
            return ""
        if self.split == "samples":
            return f"Processes: {ranks.size}, which share the samples of each batch and draw those that one would draw"
        noise = "draw random numbers of their own" if self.noise == "own" else "draw the same random numbers"
        return f"Processes: {ranks.size}, which share the examples of each batch and {noise}"


@dataclass(frozen=True)
class RunContext(Places):
    """The circumstances of a run, handed down to whatever needs them; nothing here enters a hash.

    Args:
        report_to: the pipe to which progress is reported, instead of being shown.
        ranks: the processes that train the run together, usually this one alone.
        sharing: how they share the work.
        sinks: where measures go besides the logger, by the flags that chose them.
    """

    title: ClassVar[str] = "Running"
    about: ClassVar[str] = "Where and how. Nothing here changes the experiment's name."

    device: torch.device = torch.device("cpu")
    num_workers: Annotated[int, whole_number(0, 1024)] = flag("processes that decode the images of large data sets", 0)
    compile: bool = flag(
        "compile the network (torch.compile): the first minutes are slower, the rest is faster, the last bits of "
        "results differ",
        False,
    )
    graph: str = flag(
        "auto: where that is possible, a GPU captures a training step in one CUDA graph and replays it; off: it never "
        "does",
        "auto",
        choices=("auto", "off"),
        metavar="NAME",
    )
    samples_at_once: Count | None = flag(
        "how many samples of a stochastic network may go through it together in training, in the memory of all of "
        "them; the last bits of results differ (default: as many as are faster)",
        None,
    )
    quiet: bool = flag("print nothing but errors", True)
    evaluate_only_at_end: bool = flag("test at the start and the end only", False)
    evaluate_train: bool = flag("measure the training set, not augmented, whenever the test set is: train_set_*", False)
    save_every: str | None = flag(
        "save the weights whenever so much more has been trained, e.g. 1ep or 100it", None, metavar="STEPS"
    )
    gradient_norms: bool = flag("log the norm of the gradient, averaged over an epoch's steps", False)
    callbacks: str = flag("what plugins do between training steps, by their names", "", metavar="NAME,...")
    command: tuple[str, ...] = ()
    report_to: int | None = None
    checkpoint_minutes: Annotated[float, checked(float, "a number greater than 0", lambda x: bool(x > 0))] = flag(
        "minutes of training after which the state is saved, besides every epoch", 10
    )
    lock_timeout: Annotated[float, checked(float, "a number at least 0", lambda x: bool(x >= 0))] = flag(
        "how long to wait for another process that works on the same run; at 0, stop at once", 0, metavar="SECONDS"
    )
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


def check_device(ranks: Ranks, device: torch.device, name: str) -> None:
    """Check that every process can have a device of its kind.

    Args:
        name: the device as the flag names it.

    Raises:
        InvalidValue: if one cannot.
    """
    if ranks.size == 1:
        return
    if device.type not in ("cpu", "cuda"):
        raise InvalidValue("device", name, "several processes compute on cpu or cuda")
    if name.startswith("cuda:"):
        raise InvalidValue("device", name, "each of several processes has a GPU of its own: say cuda")
    if device.type == "cuda" and not ranks.have_gpus:
        gpus = torch.cuda.device_count()
        raise InvalidValue("device", name, f"there are more processes than GPUs, of which this machine has {gpus}")
