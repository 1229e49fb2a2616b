"""What is stored under the root: replicates, tables of their runs, and analyses of their masks and weights.

The tables are imported once they are asked for: pandas and PyTorch take longer than a list of runs.
"""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from open_lth.results.branch_results import read_results
    from open_lth.results.tables import (
        COLUMNS,
        CURVE_COLUMNS,
        read_curves,
        read_diagnostics,
        read_ood,
        read_runs,
        read_shifts,
    )

__all__ = [
    "COLUMNS",
    "CURVE_COLUMNS",
    "read_curves",
    "read_diagnostics",
    "read_ood",
    "read_results",
    "read_runs",
    "read_shifts",
]


def __getattr__(name: str) -> typing.Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "branch_results" if name == "read_results" else "tables"
    return getattr(importlib.import_module(f"open_lth.results.{module}"), name)
