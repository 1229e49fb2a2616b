"""Sparse networks as smaller dense ones that compute the same."""

from open_lth.compaction.compact import TOLERANCE, Compacted, compact
from open_lth.compaction.narrowing import AttentionSize, narrowed

__all__ = ["TOLERANCE", "AttentionSize", "Compacted", "compact", "narrowed"]
