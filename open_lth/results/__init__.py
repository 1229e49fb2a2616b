"""What is stored under the root: replicates, tables of their runs, and analyses of their masks and weights.

The tables are imported once they are asked for: pandas and PyTorch take longer than a list of runs.
"""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from open_lth.results.tables import (
        COLUMNS,
        CURVE_COLUMNS,
        read_curves,
        read_diagnostics,
        read_ood,
        read_runs,
        read_shifts,
    )

__all__ = ["COLUMNS", "CURVE_COLUMNS", "read_curves", "read_diagnostics", "read_ood", "read_runs", "read_shifts"]


def __getattr__(name: str) -> typing.Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("open_lth.results.tables"), name)
