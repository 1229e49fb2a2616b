"""Suites: figures and tables as experiments, how large these are, how their methods look, and their finished runs."""

from open_lth.suites.plots import PLOTS, Plot
from open_lth.suites.scales import SCALES
from open_lth.suites.styles import STYLES, Style
from open_lth.suites.suite import (
    SUITES,
    Experiment,
    Scale,
    Series,
    Suite,
    in_order,
    suites_of,
    with_networks,
    with_replicates,
)

__all__ = [
    "PLOTS",
    "SCALES",
    "STYLES",
    "SUITES",
    "Experiment",
    "Plot",
    "Scale",
    "Series",
    "Style",
    "Suite",
    "in_order",
    "suites_of",
    "with_networks",
    "with_replicates",
]
