"""The machine: what computes, by the name that people know it by, and how it keeps memory."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LINUX = Path("/proc/cpuinfo")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_UP_TO = (1 << 30, 1 << 25)  # glibc before 2.35 takes no more than 32 MiB


def processor_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the CPU with its number of threads in use."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type} of {_cpu()}"
    threads = torch.get_num_threads()
    return f"{_cpu()}, {threads} thread{'s' if threads > 1 else ''}"


def _cpu() -> str:
    try:
        lines = _LINUX.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(filter(None, names), platform.processor() or platform.machine() or "CPU")


def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory, for the life of the process.

    By default it maps every large tensor anew and unmaps it again, and touching fresh pages costs a training step on
    the CPU up to a third of its time. Where the C library is another one, nothing happens. No result changes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and any(mallopt(_M_MMAP_THRESHOLD, size) for size in _KEEP_UP_TO):
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
