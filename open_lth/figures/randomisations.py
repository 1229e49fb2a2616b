"""One layer's weights and mask under every randomisation of a ticket (paper figure 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from foundations.errors import UserError
from open_lth.analysis.masks import layer_densities, load_mask, never_pruned
from open_lth.analysis.weights import initial_step, weights_at
from open_lth.figures.drawn import Drawn
from open_lth.figures.layout import panel_grid
from open_lth.figures.style import Style
from open_lth.suite_runs import SuiteRuns
from pruning import Mask
from training import TrainingRun

GREATEST_SIDE = 48
"""How many rows and columns of a layer are shown at most; more could not be told apart."""

CLEAREST_DENSITY = 0.3
"""The level shown is the one nearest to it: there is something to see of both the kept and the pruned weights."""

FEWEST_WEIGHTS = 256
_GREATEST_WIDTH, _GREATEST_HEIGHT = 2.1, 3.6  # of a picture, in inches
_WIDTH_OF_TITLE, _HEIGHT_OF_LABEL = 1.8, 1.35

HEADINGS = {"density": "weights remaining (%)", "magnitude": "mean magnitude of the kept weights"}


@dataclass(frozen=True)
class Tile:
    """One layer of one network: the magnitudes of the weights it starts from, those pruned being 0, and its mask."""

    method: str
    magnitudes: np.ndarray
    mask: np.ndarray


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawn:
    """Draw one layer of the ticket of one replicate, and what the randomisations make of it."""
    shown = fullest(runs.table)
    level = clearest_level(shown)
    shown = shown[shown["level"] == level]
    masks = {run["method"]: load_mask(run["directory"]) for _, run in shown.iterrows()}
    layer = telling_layer(list(masks.values()))
    tiles = [
        _tile(run["method"], runs.trainings[run["directory"]], masks[run["method"]], layer)
        for _, run in shown.iterrows()
    ]
    density = 100 * float(shown["density"].iloc[0])
    rows, columns = tiles[0].mask.shape
    caption = (
        f"Layer {layer.removesuffix('.weight')} of {shown['panel'].iloc[0]} at level {level} ({density:.3g} % of "
        f"weights remaining), replicate {shown['replicate'].iloc[0]}, read from the runs' own files. Above, the "
        f"magnitudes of the initial weights under the mask; below, the mask: black is kept. The first {rows} rows and "
        f"{columns} columns of the layer as a matrix of outputs by inputs."
    )
    return Drawn(
        title, draw_tiles(tiles), _numbers(tiles, masks, layer).rename(columns=HEADINGS), caption, runs.missing
    )


def fullest(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the panel and replicate that has the most methods, the first of equals.

    Raises:
        UserError: if there is no sparse level.
    """
    groups = [own for _, own in runs[runs["level"] > 0].groupby(["panel", "replicate"], sort=False, observed=True)]
    if not groups:
        raise UserError("no level above 0 is finished")
    return max(groups, key=lambda own: own["method"].nunique())


def clearest_level(runs: pd.DataFrame) -> int:
    """Return, of the levels that most methods have, the one whose density shows most."""
    methods = runs.groupby("level")["method"].nunique()
    levels = methods[methods == methods.max()].index
    densities = runs[runs["level"].isin(levels)].groupby("level")["density"].mean()
    return int((densities - CLEAREST_DENSITY).abs().idxmin())


def telling_layer(masks: list[Mask]) -> str:
    """Return the layer by which the masks differ most: whose density in the first is farthest from the mean."""
    ticket, ignored = masks[0], never_pruned(masks)
    pruned = [name for name in ticket if name not in ignored] or list(ticket)
    large = [name for name in pruned if ticket[name].numel() >= FEWEST_WEIGHTS] or pruned
    mean = sum(int(ticket[name].sum()) for name in pruned) / sum(ticket[name].numel() for name in pruned)
    return max(large, key=lambda name: abs(ticket.densities[name] - mean))


def _tile(method: str, run: TrainingRun, mask: Mask, layer: str) -> Tile:
    weights = weights_at(run, initial_step(run))[layer].abs() * mask[layer]
    return Tile(method, as_matrix(weights), as_matrix(mask[layer]))


def as_matrix(tensor: Tensor) -> np.ndarray:
    """Return the first rows and columns of a layer's tensor as a matrix of outputs by inputs."""
    corner: np.ndarray = tensor.flatten(1)[:GREATEST_SIDE, :GREATEST_SIDE].numpy()
    return corner


def _numbers(tiles: list[Tile], masks: Mapping[str, Mask], layer: str) -> pd.DataFrame:
    rows = []
    for tile in tiles:
        of_layer = layer_densities(masks[tile.method]).set_index("layer").loc[layer.removesuffix(".weight")]
        kept = tile.magnitudes[tile.mask == 1]
        rows.append((tile.method, of_layer["kept"], of_layer["total"], 100 * of_layer["density"],
                     float(kept.mean()) if kept.size else np.nan))  # fmt: skip
    columns = ["method", "kept", "total", "density", "magnitude"]
    return pd.DataFrame(rows, columns=columns).astype({"kept": int, "total": int})


def draw_tiles(tiles: list[Tile]) -> Figure:
    """Draw magnitudes above masks, a column for each network."""
    rows, columns = tiles[0].mask.shape
    titles = [tile.method.replace(", ", ",\n") for tile in tiles]
    inches = min(_GREATEST_WIDTH / columns, _GREATEST_HEIGHT / rows)
    width = max(inches * columns, _WIDTH_OF_TITLE)
    figure, (above, below) = panel_grid(titles, ["", ""], {}, max(inches * rows + 0.1, _HEIGHT_OF_LABEL), width)
    greatest = max(float(tile.magnitudes.max()) for tile in tiles)
    for tile, weights, mask in zip(tiles, above, below, strict=True):
        picture = weights.imshow(tile.magnitudes, cmap="viridis", vmin=0, vmax=greatest, interpolation="nearest")
        mask.imshow(tile.mask, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        for axis in (weights, mask):
            axis.grid(False)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(True)
    above[0].set_ylabel("Magnitude of the\ninitial weights")
    below[0].set_ylabel("Mask\n(black: kept)")
    # The bar takes its room from both rows, that pictures and masks stay in line.
    bar = figure.colorbar(picture, ax=[*above, *below], shrink=0.42, anchor=(0.0, 1.0), aspect=12, pad=0.01)
    bar.ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
    return figure
