"""How much methods differ, in the tables of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from open_lth.figures.points import KEYS
from open_lth.results.differences import paired_differences

PAIRED = "Differences in the table are paired by replicate, with Student's intervals."
"""What a caption says of them."""

_DIFFERENCES = {
    "difference": "difference from {}",
    "low": "95 % interval of the difference from",
    "high": "95 % interval of the difference to",
}


def differences(
    runs: pd.DataFrame,
    column: str,
    name: str,
    against: str | None,
    factor: float = 1.0,
    within: Sequence[str] = (),
) -> dict[str, pd.Series[float]]:
    """Return how much methods differ in a measure, as columns of a table by their headings.

    Args:
        runs: a row for each run, with panel, method, level and replicate, and with what is `within`.
        column: the measure.
        name: what it is called in the headings.
        against: the method from which differences are stated; each panel's first one if None.
        factor: from the measure's unit to the table's.
        within: further columns that what is compared must have alike.
    """
    found = paired_differences(runs, column, against, within).set_index([*KEYS, *within])
    reference = against or "the panel's first method"
    return {f"{name}: {words.format(reference)}": factor * found[end] for end, words in _DIFFERENCES.items()}


def with_columns(
    numbers: pd.DataFrame, added: Mapping[str, pd.Series[float]], keys: Sequence[str] = KEYS
) -> pd.DataFrame:
    """Return a table with further columns, those of which anything is known.

    Args:
        added: by heading, values by the keys.
        keys: the table's columns that tell its rows apart.
    """
    rows = pd.MultiIndex.from_frame(numbers[[*keys]])
    known = {heading: values.reindex(rows).to_numpy() for heading, values in added.items() if values.notna().any()}
    return numbers.assign(**known)


def are_compared(found: pd.DataFrame) -> bool:
    """Return whether there are methods to compare, and replicates for intervals."""
    return found["method"].nunique() > 1 and bool((found["replicates"] > 1).any())
