"""How the paper's suites are drawn, and what else their runs show."""

from __future__ import annotations

from collections.abc import Mapping

from bayesian.paper import methods
from open_lth.suites import Plot

_LAYERS, _RANDOMISATIONS, _RUNTIMES, _OVERLAP, _RELIABILITY, _COST, _MATCHING, _SHIFT, _OOD = (
    f"open_lth.figures.{module}"
    for module in ("layers", "randomisations", "runtimes", "overlap", "reliability", "cost", "matching", "shift", "ood")
)

FIGURES: Mapping[str, Plot] = {
    "1": Plot(("1",), options={"measures": ("accuracy", "mace", "ece"), "pass_bars": True}),
    "2": Plot(("2",), _LAYERS),
    "3": Plot(("3",), _RANDOMISATIONS),
    "9": Plot(("9",), options={"measures": ("mace", "ece")}),
    "table1": Plot(("table1",), _RUNTIMES),
    "matching": Plot(("1", "5", "8"), _MATCHING, "The sparsest tickets that match the dense network"),
    "overlap": Plot(("1",), _OVERLAP, "Do methods keep the same weights?"),
    "overlap_scores": Plot(
        ("scores",), _OVERLAP, "Do scores keep the weights that |μ| keeps?", {"reference": methods.MEAN}
    ),
    "posterior": Plot(("1",), f"{__package__}.posterior", "Means and standard deviations of kept and pruned weights"),
    "reliability": Plot(("1",), _RELIABILITY, "Reliability of the predictions"),
    "optimizers": Plot(("optimizers",), options={"measures": ("accuracy", "loss", "ece")}),
    "shift": Plot(("shift",), _SHIFT),
    "ood": Plot(("shift",), _OOD, "Telling what is out of distribution"),
    "ensemble": Plot(("ensemble",), options={"measures": ("accuracy", "loss", "ece")}),
    "settings": Plot(("settings",), options={"measures": ("accuracy", "loss")}),
    "pruning": Plot(("pruning",)),
    "stability": Plot(("stability",), "open_lth.figures.stability"),
    "cost": Plot(("5",), _COST, "Accuracy and what it costs to train for it"),
}
"""By name on the command line; the other suites get curves of the accuracy."""
