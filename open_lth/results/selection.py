"""Which of the epochs of a training stands for it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from foundations.errors import InvalidValue, UserError, one_of


@dataclass(frozen=True)
class Selection:
    """A choice of the epoch whose test measures stand for a run.

    Args:
        name: on the command line.
        prefix: of the measures' columns in the table of runs.
        words: the epoch, as a caption says it.
        heading: the same in a table's headings.
    """

    name: str
    prefix: str
    words: str
    heading: str

    def column(self, measure: str) -> str:
        """Return the column of a measure in the table of runs."""
        return f"{self.prefix}{measure}"

    def check(self, runs: pd.DataFrame) -> None:
        """Check that some run has such an epoch, if there are runs.

        Raises:
            UserError: if none has.
        """
        if self is VALIDATION and not runs.empty and runs[self.column("accuracy")].isna().all():
            raise UserError(f"--select={self.name}: no run has held examples out (--validation_fraction)")


PEAK = Selection("peak", "peak_", "at the epoch of the best test accuracy", "at its peak")
LAST = Selection("last", "final_", "at the end of training", "at the end")
VALIDATION = Selection(
    "validation", "chosen_", "at the epoch of the best validation accuracy", "at the best validation accuracy"
)
SELECTIONS = {selection.name: selection for selection in (PEAK, LAST, VALIDATION)}


def find_selection(name: str) -> Selection:
    """Return the selection of a name.

    Raises:
        InvalidValue: if there is none.
    """
    if name not in SELECTIONS:
        raise InvalidValue("select", name, one_of(SELECTIONS, name))
    return SELECTIONS[name]
