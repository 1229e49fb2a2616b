"""What is stored under the root: replicates, tables of their runs, and analyses of their masks and weights."""

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
