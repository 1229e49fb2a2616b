"""What branches found out besides training networks, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from foundations.errors import UserError
from foundations.messages import LOGGER
from foundations.paths import RunPaths
from foundations.storage import read_json
from foundations.stored import stored_replicates, stored_results
from open_lth.results.run_files import identity_of
from open_lth.results.tables import RUN_COLUMNS


def read_results(branches: str | Path | Iterable[str | Path], branch: str = "*") -> pd.DataFrame:
    """Return a table of what branches found out: a row for each entry of the lists in a branch's `results.json`.

    Its columns are those of a run, as in `read_runs`, with `branch_arguments`, and whatever the branches have, such as
    `alpha`, `error` and `instability` of `connect`; a number beside lists is the same in all rows. What is damaged is
    left out, with a warning that names the file.

    Args:
        branches: a results root, all of whose branches are read, or the directories of branches.
        branch: the name of the branch that is meant; all if it is not given.
    """
    if isinstance(branches, (str, Path)):
        replicates = stored_replicates(Path(branches).expanduser())
        found = [paths for one in replicates for paths in stored_results(one.directory, branch)]
    else:
        found = [RunPaths(Path(directory)) for directory in branches]
    tables = [table for paths in found for table in _table_of(paths)]
    columns = {**RUN_COLUMNS, "branch_arguments": "string", "directory": "string"}
    return pd.concat([pd.DataFrame(columns=[*columns]), *tables], ignore_index=True).astype(columns)


def _table_of(paths: RunPaths) -> list[pd.DataFrame]:
    try:
        content = read_json(paths.results)
        own = (
            content
            if any(isinstance(value, list) for value in content.values())
            else {k: [v] for k, v in content.items()}
        )
        return [pd.DataFrame({**own, **identity_of(paths)})]
    except (UserError, ValueError, TypeError, AttributeError) as error:
        LOGGER.warning("left out: %s: %s", paths.results, error)
        return []
