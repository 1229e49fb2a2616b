"""Matching tickets: the sparsest that are as good as the dense network (paper section 1)."""

from __future__ import annotations

import math

import pandas as pd

REPLICATES, PASSES, TEST_SET = "replicates", "evaluation passes", "test set (binomial)"


def matching_tickets(runs: pd.DataFrame) -> pd.DataFrame:
    """Return, for each panel and method, the sparsest level within one standard deviation of the dense network.

    The accuracies are the best over epochs, means over replicates. The standard deviation of the dense network is that
    over replicates if there are several; else that over the passes of its evaluation, if it differs from pass to pass;
    else that of an accuracy measured on a test set of this size, sqrt(a(1-a)/n). A method without a dense network of
    its own, such as a branch, is held against that of its trunk.

    The columns are `panel`, `method`, `dense` and `std` (fractions), `std_over`, `level`, `density`, `accuracy` (of the
    level; missing if none is within), `last_level` and `last_density` (the sparsest that was run), and `replicates`.
    """
    rows = []
    for (panel, method), own in runs.groupby(["panel", "method"], sort=False, observed=True):
        dense = _dense(own, runs)
        if len(dense) and (own["level"] > 0).any():
            rows.append({"panel": panel, "method": method, **_match(own[own["level"] > 0], dense)})
    return pd.DataFrame(rows)


def _dense(own: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    dense = own[own["level"] == 0]
    if dense.empty:
        trunks = runs[(runs["level"] == 0) & (runs["kind"] == "main")].drop_duplicates("directory")
        dense = trunks.merge(own[["experiment", "replicate"]].drop_duplicates(), on=["experiment", "replicate"])
    return dense


def _match(sparse: pd.DataFrame, dense: pd.DataFrame) -> dict[str, object]:
    accuracy = float(dense["peak_accuracy"].mean())
    std, over = _spread(dense, accuracy)
    groups = sparse.groupby("level")
    levels = pd.DataFrame({"density": groups["density"].mean(), "accuracy": groups["peak_accuracy"].mean()})
    levels = levels.reset_index()
    within = levels[levels["accuracy"] >= accuracy - std]
    last = {"last_level": levels["level"].max(), "last_density": levels["density"].min()}
    best = within.loc[within["density"].idxmin()].to_dict() if len(within) else {}
    found = {name: best.get(name) for name in ("level", "density", "accuracy")}
    return {"dense": accuracy, "std": std, "std_over": over, **found, **last, "replicates": len(dense)}


def _spread(dense: pd.DataFrame, accuracy: float) -> tuple[float, str]:
    if len(dense) > 1:
        return float(dense["peak_accuracy"].std(ddof=1)), REPLICATES
    over_passes = float(dense["final_accuracy_std"].iloc[0])
    if over_passes > 0:
        return over_passes, PASSES
    return math.sqrt(accuracy * (1 - accuracy) / float(dense["test_examples"].iloc[0])), TEST_SET
