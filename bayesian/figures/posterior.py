"""Means and standard deviations of the weights that a pruning keeps and of those that it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from bayesian.adapter import variational_tensors
from bayesian.hparams import BAYESIAN
from foundations.errors import UserError
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import in_order_of, panel_grid, plain_log_y_axis
from open_lth.results.masks import ignored_tensors, last_common_level, load_mask
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns
from pruning import Mask
from training import TrainingRun

QUANTITIES = {"|μ|": "Magnitude of the mean, |μ|", "σ": "Standard deviation, σ"}
KEPT, PRUNED = "kept", "pruned"
_BOX = {"whislo": 5, "q1": 25, "med": 50, "q3": 75, "whishi": 95}
"""Matplotlib's names of a box plot's parts, and the percentiles that they stand at."""
PERCENTILES = tuple(_BOX.values())
_BOX_LOOKS: Mapping[str, Any] = {"showfliers": False, "patch_artist": True, "manage_ticks": False}
HEADINGS = {
    "level": "pruned for level",
    "weights": "weights remaining at that level (%)",
    "fate": "kept or pruned",
    "count": "number of weights kept or pruned",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the distributions of |μ| and σ before the first pruning and before the last."""
    table = distributions(runs)
    caption = (
        "Magnitudes of the means and standard deviations of the weights after training, just before the first pruning "
        "and before the last that all methods have reached: of the weights that this pruning keeps and of those that "
        "it takes. Boxes reach from the 25th to the 75th percentile, with the median as a line; whiskers from the 5th "
        "to the 95th. All replicates together; layers that the pruning is told to ignore are left out."
    )
    return Drawing(title, draw_distributions(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def distributions(runs: SuiteRuns) -> pd.DataFrame:
    """Return percentiles by panel, pruning, quantity, method, and whether the weights were kept.

    Raises:
        UserError: if no level above 0 of a Bayesian lottery is finished.
    """
    table = runs.table
    table = table[[runs.trainings[place].variant.name == BAYESIAN for place in table["directory"]]]
    rows: list[dict[str, Any]] = []
    for panel, own in table.groupby("panel", sort=False, observed=True):
        last = last_common_level(own)
        for level in sorted({1, last} - {0}) if last else []:
            for method, replicates in own.groupby("method", sort=False, observed=True):
                weights = 100 * replicates.loc[replicates["level"] == level, "density"].mean()
                known = {"panel": panel, "level": level, "method": method, "weights": weights}
                rows += [{**known, **row} for row in _percentiles(runs, replicates, level)]
    if not rows:
        raise UserError("no level above 0 of a Bayesian lottery is finished")
    return pd.DataFrame(rows)


def _percentiles(runs: SuiteRuns, replicates: pd.DataFrame, level: int) -> list[dict[str, Any]]:
    places = {(run["replicate"], run["level"]): run["directory"] for _, run in replicates.iterrows()}
    steps = [((number, level - 1), (number, level)) for number in dict.fromkeys(replicates["replicate"])]
    pairs = [(places[before], places[after]) for before, after in steps if before in places and after in places]
    parts = [
        kept_and_pruned(runs.trainings[before], load_mask(before), load_mask(after), ignored_tensors(after))
        for before, after in pairs
    ]
    rows = []
    for quantity, fate in parts[0] if parts else ():
        values = torch.cat([part[quantity, fate] for part in parts]).double()
        if len(values):
            found = torch.quantile(values[_thinned(len(values))], torch.tensor(PERCENTILES).double() / 100).tolist()
            named = {f"{percent}th percentile": value for percent, value in zip(PERCENTILES, found, strict=True)}
            rows.append({"quantity": quantity, "fate": fate, "count": len(values), **named})
    return rows


def _thinned(length: int) -> slice:
    """Return what leaves few enough values for torch's quantiles, which take 16 million."""
    return slice(None, None, -(-length // 10_000_000))


@torch.no_grad()
def kept_and_pruned(
    trained: TrainingRun, before: Mask, after: Mask, ignored: Collection[str] = ()
) -> dict[tuple[str, str], Tensor]:
    """Return |μ| and σ of the weights that a pruning of a trained network keeps, and of those that it prunes.

    Args:
        before: the mask under which it was trained; what it has pruned is left out.
        after: the mask that the pruning made.
        ignored: tensors that are left out, such as those that are never pruned.
    """
    found: dict[tuple[str, str], list[Tensor]] = {(q, fate): [] for q in QUANTITIES for fate in (KEPT, PRUNED)}
    for tensor in variational_tensors(trained.load_network(trained.end)):
        if tensor.name in after and tensor.name not in ignored:
            was_there, stays = before[tensor.name] == 1, after[tensor.name] == 1
            for quantity, values in (("|μ|", tensor.mean.abs()), ("σ", tensor.log_std.exp())):
                found[quantity, KEPT].append(values[stays])
                found[quantity, PRUNED].append(values[was_there & ~stays])
    return {key: torch.cat(values) if values else torch.empty(0) for key, values in found.items()}


def draw_distributions(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `distributions` returns."""
    panels = list(dict.fromkeys(table["panel"]))
    legend = {
        KEPT: Patch(facecolor="#BBBBBB", edgecolor="black"),
        PRUNED: Patch(facecolor="white", edgecolor="black", hatch="////"),
    }
    rows = [(quantity, is_last) for is_last in (False, True) for quantity in QUANTITIES]
    figure, grid = panel_grid(panels, [""] * len(rows), legend, height=2.4)
    for (quantity, is_last), axes in zip(rows, grid, strict=True):
        for panel, axis in zip(panels, axes, strict=True):
            own = table[(table["panel"] == panel) & (table["quantity"] == quantity)]
            own = own[own["level"] == (own["level"].max() if is_last else own["level"].min())]
            _draw_boxes(axis, own, styles)
            axis.set_title(f"{panel}\npruned to {own['weights'].mean():.3g} % of weights")
        axes[0].set_ylabel(QUANTITIES[quantity])
    return figure


def _draw_boxes(axis: Axes, own: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    methods = in_order_of(styles, own["method"])
    for _, row in own.iterrows():
        is_kept = row["fate"] == KEPT
        stats = {name: row[f"{percent}th percentile"] for name, percent in _BOX.items()}
        place = methods.index(row["method"]) + (-0.19 if is_kept else 0.19)
        drawn = axis.bxp([stats], positions=[place], widths=0.3, **_BOX_LOOKS)
        box, [median] = drawn["boxes"][0], drawn["medians"]
        colour = styles[row["method"]].colour
        box.set(facecolor=colour if is_kept else "white", edgecolor=colour, alpha=0.6 if is_kept else 1.0)
        box.set_hatch("" if is_kept else "////")
        median.set(color="black", linewidth=1.4)
    plain_log_y_axis(axis)
    axis.set_xticks(range(len(methods)), [name.replace(", ", ",\n") for name in methods], fontsize=9)
    axis.grid(False, axis="x")
