"""How sparse each layer of the last tickets is (Kuhn et al., figure 2), from masks alone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import at_weights, in_order_of, layer_axis, line_looks, method_line, panel_grid
from open_lth.results.masks import ignored_tensors, last_common_level, layer_densities, load_mask
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns

HEADINGS = {
    "weights": "weights remaining (%)",
    "index": "layer index",
    "total": "weights of the layer",
    "kept": "kept of them",
    "sparsity": "weights of the layer pruned (%)",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the sparsity of each layer at the last level that all methods of a panel have reached."""
    table = layer_sparsities(runs.table)
    caption = (
        "Percentage of each layer's weights that are pruned in the last tickets, by the layer's index from input to "
        "output; layers that the pruning is told to ignore are left out. Computed from the masks, means over "
        "replicates."
    )
    return Drawing(title, draw_layers(table, styles), table.rename(columns=HEADINGS), caption, runs.missing)


def layer_sparsities(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the sparsity of each layer in percent, by panel and method, mean over replicates."""
    parts = []
    for panel, own in runs.groupby("panel", sort=False, observed=True):
        level = last_common_level(own)
        for _, run in own[own["level"] == level].iterrows():
            ignored = {name.removesuffix(".weight") for name in ignored_tensors(run["directory"])}
            layers = layer_densities(load_mask(run["directory"]))
            layers = layers[~layers["layer"].isin(ignored)]
            parts.append(layers.assign(panel=panel, method=run["method"], level=level, weights=100 * run["density"]))
    every = pd.concat(parts)
    keys = ["panel", "method", "level", "index", "layer", "total"]
    means = every.groupby(keys, sort=False, observed=True).agg(
        weights=("weights", "mean"), kept=("kept", "mean"), density=("density", "mean")
    )
    table = means.reset_index().assign(sparsity=lambda found: 100 * (1 - found["density"]))
    return table[["panel", "method", "level", "weights", "index", "layer", "total", "kept", "sparsity"]]


def draw_layers(table: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `layer_sparsities` returns."""
    panels, methods = list(dict.fromkeys(table["panel"])), in_order_of(styles, table["method"])
    figure, [row] = panel_grid(panels, [""], {method: method_line(styles[method]) for method in methods})
    for panel, axis in zip(panels, row, strict=True):
        own = table[table["panel"] == panel]
        axis.set_title(at_weights(panel, own["weights"].mean()))
        for method, curve in own.groupby("method", sort=False):
            axis.plot(curve["index"], curve["sparsity"], **line_looks(styles[str(method)]))
        layer_axis(axis, own["index"])
        axis.set_ylim(top=101)
        axis.set_xlabel("Layer index, from input to output")
    row[0].set_ylabel("Weights pruned (%)")
    return figure
