"""Differences between methods, paired by replicate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

CONFIDENCE = 0.95
KEYS = ["panel", "method", "level"]


def paired_differences(
    runs: pd.DataFrame, column: str, against: str | None = None, within: Sequence[str] = ()
) -> pd.DataFrame:
    r"""Return how much each method of a panel differs from another one at the same level.

    Runs of one replicate share initial weights and data order, so each is compared with its own partner: the mean
    difference d over n pairs, and Student's interval for it (1908), which is not known for one pair.

    .. math:: d \pm t_{0.975,\,n-1} \, s / \sqrt{n}

    Args:
        runs: a table of runs with `panel` and `method`; their order says which method is first.
        column: what is compared.
        against: the method that the others are compared with, in panels that have it; each panel's first one if None.
        within: further columns, such as a severity, that what is compared must have alike.

    Returns:
        A row for each panel, other method, level and what is `within`: `difference`, `low`, `high`, `pairs`.
    """
    from scipy.stats import t

    rows = []
    for panel, own in runs.dropna(subset=["level"]).groupby("panel", sort=False, observed=True):
        reference = against or own["method"].iloc[0]
        values = own.pivot_table(index=["level", *within, "replicate"], columns="method", values=column, observed=True)
        if reference not in values:
            continue
        paired = [name for name in dict.fromkeys(own["method"]) if name in values]  # ensembles are of no replicate
        for method in (name for name in paired if name != reference):
            differences = (values[method] - values[reference]).dropna()
            for alike, found in differences.groupby(["level", *within]):
                count, mean = len(found), float(found.mean())
                error = float(found.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
                reach = float(t.ppf((1 + CONFIDENCE) / 2, max(count - 1, 1))) * error
                rows.append((panel, method, *alike, mean, mean - reach, mean + reach, count))
    table = pd.DataFrame(rows, columns=[*KEYS, *within, "difference", "low", "high", "pairs"])
    return table.astype({"panel": "string", "method": "string", "level": "Int64"})
