"""Memory that is kept instead of being given back after every operation."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_UP_TO = (1 << 30, 1 << 25)  # glibc before 2.35 takes no more than 32 MiB


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
