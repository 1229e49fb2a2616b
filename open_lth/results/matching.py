"""Matching tickets: the sparsest that are as good as the dense network (Frankle et al. 2020)."""

from __future__ import annotations

import math

import pandas as pd

from foundations.errors import UserError
from open_lth.results.selection import PEAK, Selection

REPLICATES, TEST_SET = "replicates", "test set (binomial)"
_TO_BEST = ("dense", "level", "density")


def matching_tickets(runs: pd.DataFrame, selection: Selection = PEAK) -> pd.DataFrame:
    """Return, for each panel and method, the sparsest level within one standard deviation of the dense network.

    The accuracies are those of the selected epoch, means over replicates. The standard deviation of the dense network
    is that of an accuracy measured on a test set of this size, sqrt(a(1-a)/n), or that over replicates if it is larger:
    a few replicates may agree by chance. A method without a dense network of its own, such as a branch, is compared
    with that of its trunk. Beside it, the same against the best dense network of the panel, whichever method's it is:
    one that is handicapped is easily matched by its own tickets.

    The columns are `panel`, `method`, `dense` and `std` (fractions), `std_over`, `level`, `density`, `accuracy` (of the
    level; missing if none is within), `last_level` and `last_density` (the sparsest that was run), `replicates`
    (the lesser of those of the dense network and of the level), and `dense`, `level` and `density` as `best_dense`,
    `best_level` and `best_density` against the best dense network.

    Raises:
        UserError: if there is nothing to compare with a dense network.
    """
    runs = runs.assign(accuracy=runs[selection.column("accuracy")])
    rows = []
    for panel, of_panel in runs.groupby("panel", sort=False, observed=True):
        methods = dict(tuple(of_panel.groupby("method", sort=False, observed=True)))
        dense = {method: found for method, own in methods.items() if len(found := _dense(own, runs))}
        if not dense:
            continue
        best = max(dense.values(), key=lambda found: float(found["accuracy"].mean()))
        for method, own in methods.items():
            sparse = own[own["level"] > 0]
            if method in dense and len(sparse):
                to_best = {f"best_{name}": value for name, value in _match(sparse, best).items() if name in _TO_BEST}
                rows.append({"panel": panel, "method": method, **_match(sparse, dense[method]), **to_best})
    if not rows:
        raise UserError("no level above 0 is finished beside a dense network")
    return pd.DataFrame(rows)


def _dense(own: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    dense = own[own["level"] == 0]
    if dense.empty:
        trunks = runs[(runs["level"] == 0) & (runs["kind"] == "main")].drop_duplicates("directory")
        dense = trunks.merge(own[["experiment", "replicate"]].drop_duplicates(), on=["experiment", "replicate"])
    return dense


def _match(sparse: pd.DataFrame, dense: pd.DataFrame) -> dict[str, object]:
    accuracy = float(dense["accuracy"].mean())
    std, over = _spread(dense, accuracy)
    groups = sparse.groupby("level")
    means = {"density": groups["density"].mean(), "accuracy": groups["accuracy"].mean()}
    levels = pd.DataFrame({**means, "replicates": groups["replicate"].nunique()}).reset_index()
    within = levels[levels["accuracy"] >= accuracy - std]
    last = {"last_level": levels["level"].max(), "last_density": levels["density"].min()}
    best = within.loc[within["density"].idxmin()].to_dict() if len(within) else {}
    found = {name: best.get(name) for name in ("level", "density", "accuracy")}
    replicates = min(len(dense), int(best.get("replicates", len(dense))))
    return {"dense": accuracy, "std": std, "std_over": over, **found, **last, "replicates": replicates}


def _spread(dense: pd.DataFrame, accuracy: float) -> tuple[float, str]:
    over_replicates = float(dense["accuracy"].std(ddof=1))  # not a number for one replicate
    of_test_set = math.sqrt(accuracy * (1 - accuracy) / float(dense["test_examples"].iloc[0]))
    return (over_replicates, REPLICATES) if over_replicates > of_test_set else (of_test_set, TEST_SET)
