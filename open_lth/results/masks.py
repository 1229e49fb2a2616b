"""How masks are spread over layers, and how far two masks agree."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from foundations.errors import UserError
from foundations.paths import RunPaths
from open_lth.results.replicates import Replicate
from pruning import Mask
from training import ALL_LAYERS


def layer_densities(mask: Mask) -> pd.DataFrame:
    """Return a row for each layer, in the network's order: `index` from 1, `layer`, `kept`, `total`, `density`."""
    counts = [(name.removesuffix(".weight"), int(tensor.sum()), tensor.numel()) for name, tensor in mask.items()]
    table = pd.DataFrame(counts, columns=["layer", "kept", "total"])
    table.insert(0, "index", range(1, len(table) + 1))
    return table.assign(density=table["kept"] / table["total"])


def overlap(left: Mask, right: Mask, ignored: Iterable[str] = ()) -> pd.DataFrame:
    r"""Return how far two masks of one network agree: a row for each layer, and one for all layers.

    The columns are `index` (from 1, as `layer_densities` counts; missing for all layers), `layer`, `kept_left`,
    `kept_right`, `both` and `either` (numbers of weights), `jaccard` (both / either) and `chance`: the same ratio of
    the expected numbers if each layer's masks were drawn at random, with as many weights as they have.

    Args:
        ignored: tensors that take no part, such as those that are never pruned.

    Raises:
        UserError: if the masks are of different networks.
    """
    if {name: tensor.shape for name, tensor in left.items()} != {name: t.shape for name, t in right.items()}:
        raise UserError("masks of different networks cannot be compared")
    rows = []
    for index, name in enumerate(left, start=1):
        if name not in set(ignored):
            kept_left, kept_right = int(left[name].sum()), int(right[name].sum())
            both = int((left[name] * right[name]).sum())
            by_chance = kept_left * kept_right / left[name].numel()
            rows.append((index, name.removesuffix(".weight"), kept_left, kept_right, both, by_chance))
    table = pd.DataFrame(rows, columns=["index", "layer", "kept_left", "kept_right", "both", "by_chance"])
    total = table.drop(columns=["index", "layer"]).sum().to_frame().T.assign(layer=ALL_LAYERS)
    table = pd.concat([table, total], ignore_index=True)
    table = table.astype({"index": "Int64", "kept_left": int, "kept_right": int, "both": int})
    kept = table["kept_left"] + table["kept_right"]
    table["either"] = kept - table["both"]
    table["jaccard"] = table["both"] / table["either"]
    table["chance"] = table["by_chance"] / (kept - table["by_chance"])
    return table[["index", "layer", "kept_left", "kept_right", "both", "either", "jaccard", "chance"]]


def ignored_tensors(directory: str) -> frozenset[str]:
    """Return the tensors that the lottery of a run never prunes, by its own description."""
    described = Replicate(RunPaths(Path(directory)).replicate).hparams.get("pruning_layers_to_ignore", "")
    return frozenset(filter(None, described.split(",")))


def load_mask(directory: str) -> Mask:
    """Return the mask of a run.

    Raises:
        UserError: if it is missing or damaged.
    """
    return Mask.load(RunPaths(Path(directory)).mask)


def last_common_level(runs: pd.DataFrame) -> int:
    """Return the last level that every method of a table of runs has reached; those with level 0 alone do not count."""
    reached = runs.groupby("method", observed=True)["level"].max()
    return int(reached[reached > 0].min()) if (reached > 0).any() else 0
