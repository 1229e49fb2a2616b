"""One layer's weights and mask under every randomisation of a ticket (Kuhn et al., figure 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from foundations.errors import UserError
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import panel_grid
from open_lth.results.masks import ignored_tensors, load_mask
from open_lth.results.weights import initial_step, weights_at
from open_lth.suites import Style
from open_lth.suites.suite_runs import SuiteRuns
from pruning import Mask
from training import TrainingRun

GREATEST_SIDE = 48
"""How many rows and columns of a layer are shown at most; more could not be told apart."""

CLEAREST_DENSITY = 0.3
"""The level shown is the one nearest to it: there is something to see of both the kept and the pruned weights."""

FEWEST_WEIGHTS = 256
_GREATEST_WIDTH, _GREATEST_HEIGHT = 2.1, 3.6  # of a picture, in inches
_WIDTH_OF_TITLE, _HEIGHT_OF_LABEL = 1.8, 1.35

HEADINGS = {
    "total": "weights of the layer",
    "kept": "kept of them",
    "density": "weights of the layer remaining (%)",
    "magnitude": "mean initial magnitude of the kept weights",
}


@dataclass(frozen=True)
class Tile:
    """A layer of a network, whole: the magnitudes of the weights it starts from, those pruned being 0, and its mask."""

    method: str
    magnitudes: Tensor
    mask: Tensor


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw one layer of the ticket of one replicate, and what the randomisations make of it."""
    shown = most_complete_replicate(runs.table)
    level = clearest_level(shown)
    shown = shown[shown["level"] == level]
    first = shown["directory"].iloc[0]
    layer = most_changed_layer(load_mask(first), ignored_tensors(first))
    tiles = [_tile(run["method"], runs.trainings[run["directory"]], layer) for _, run in shown.iterrows()]
    density = 100 * float(shown["density"].iloc[0])
    rows, columns = as_matrix(tiles[0].mask).shape
    caption = (
        f"Layer {layer.removesuffix('.weight')} of {shown['panel'].iloc[0]} at level {level} ({density:.3g} % of "
        f"weights remaining), replicate {shown['replicate'].iloc[0]}, read from the runs' own files. Above, the "
        f"magnitudes of the initial weights under the mask; below, the mask: black is kept. The first {rows} rows and "
        f"{columns} columns of the layer as a matrix of outputs by inputs; the table is about the whole layer."
    )
    return Drawing(title, draw_tiles(tiles), numbers(tiles).rename(columns=HEADINGS), caption, runs.missing)


def most_complete_replicate(runs: pd.DataFrame) -> pd.DataFrame:
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


def most_changed_layer(ticket: Mask, ignored: Collection[str] = ()) -> str:
    """Return the layer that randomisations change most: whose density in the ticket is farthest from the mean.

    Args:
        ignored: tensors that are never pruned.
    """
    pruned = [name for name in ticket if name not in ignored] or list(ticket)
    large = [name for name in pruned if ticket[name].numel() >= FEWEST_WEIGHTS] or pruned
    mean = sum(int(ticket[name].sum()) for name in pruned) / sum(ticket[name].numel() for name in pruned)
    return max(large, key=lambda name: abs(ticket.densities[name] - mean))


def _tile(method: str, run: TrainingRun, layer: str) -> Tile:
    mask = load_mask(str(run.paths.directory))[layer]
    return Tile(method, weights_at(run, initial_step(run))[layer].abs() * mask, mask)


def as_matrix(tensor: Tensor) -> np.ndarray:
    """Return the first rows and columns of a layer's tensor as a matrix of outputs by inputs."""
    corner: np.ndarray = tensor.flatten(1)[:GREATEST_SIDE, :GREATEST_SIDE].numpy()
    return corner


def numbers(tiles: list[Tile]) -> pd.DataFrame:
    """Return how many weights each network's layer has and keeps, and how large they are."""
    rows = []
    for tile in tiles:
        kept = tile.magnitudes[tile.mask == 1]
        total, mean = tile.mask.numel(), kept.double().mean().item()  # not a number if none is kept
        rows.append((tile.method, total, len(kept), 100 * len(kept) / total, mean))
    return pd.DataFrame(rows, columns=["method", "total", "kept", "density", "magnitude"])


def draw_tiles(tiles: list[Tile]) -> Figure:
    """Draw magnitudes above masks, a column for each network."""
    pictures = [(as_matrix(tile.magnitudes), as_matrix(tile.mask)) for tile in tiles]
    rows, columns = pictures[0][1].shape
    titles = [tile.method.replace(", ", ",\n") for tile in tiles]
    inches = min(_GREATEST_WIDTH / columns, _GREATEST_HEIGHT / rows)
    width = max(inches * columns, _WIDTH_OF_TITLE)
    figure, (above, below) = panel_grid(titles, ["", ""], {}, max(inches * rows + 0.1, _HEIGHT_OF_LABEL), width)
    greatest = max(float(magnitudes.max()) for magnitudes, _ in pictures)
    for (magnitudes, mask), upper, lower in zip(pictures, above, below, strict=True):
        picture = upper.imshow(magnitudes, cmap="viridis", vmin=0, vmax=greatest, interpolation="nearest")
        lower.imshow(mask, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        for axis in (upper, lower):
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
