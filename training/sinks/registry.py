"""The kinds of sink by the flags that choose them."""

from __future__ import annotations

from foundations.registry import Registry
from foundations.sink import SinkKind

SINKS: Registry[type[SinkKind]] = Registry("sink")
"""Each name is a flag of every command that trains."""
