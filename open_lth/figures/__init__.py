"""Figures and tables of finished runs: pure functions from tables of numbers to matplotlib figures."""

import importlib
import os
import sys

try:
    importlib.import_module("matplotlib")
except ValueError:  # MPLBACKEND names one that is not installed here, as a notebook's is not outside of it
    for _name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[_name]
    os.environ["MPLBACKEND"] = "agg"
    importlib.import_module("matplotlib")
