"""The project as a library: its commands from Python, handles on what they made, and any network of one's own.

What is named here keeps its meaning until the next major version.
"""

from open_lth.api.commands import branch, evaluate, load_plugins, lottery, open_runs, train
from open_lth.api.handles import Run, Runs
from open_lth.api.network import Network
from open_lth.export import load_ticket
from open_lth.results import read_curves, read_diagnostics, read_ood, read_results, read_runs, read_shifts

__all__ = [
    "Network",
    "Run",
    "Runs",
    "branch",
    "evaluate",
    "load_plugins",
    "load_ticket",
    "lottery",
    "open_runs",
    "read_curves",
    "read_diagnostics",
    "read_ood",
    "read_results",
    "read_runs",
    "read_shifts",
    "train",
]
