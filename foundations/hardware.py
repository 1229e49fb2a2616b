"""What computes, by the name that people know it by."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

_LINUX = Path("/proc/cpuinfo")


def processor_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the CPU with its number of threads in use."""
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
