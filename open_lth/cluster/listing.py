"""The jobs that were submitted, as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from foundations.paths import RunPaths
from open_lth.cluster.records import Output, SubmittedJob, read_records
from open_lth.cluster.states import DONE, JobState, job_states


@dataclass(frozen=True)
class Listing:
    """The table.

    Args:
        rows: a row for each job that is not done; one that a later job makes up for is left out.
        done: how many jobs are done.
    """

    columns: ClassVar[tuple[str, ...]] = ("job", "state", "experiment", "replicate", "runs", "what", "why")
    rows: list[tuple[str, ...]]
    done: int


def list_jobs(root: Path) -> Listing:
    """Return the jobs that were submitted for a root.

    Raises:
        UserError: if a record is damaged, or the state of a job depends on Slurm, which does not answer.
    """
    states = job_states(read_records(root), root)
    covered: set[Output] = set()
    rows = []
    for job, state in reversed(states.items()):
        if state.word != DONE and not job.outputs <= covered:
            rows.append(_row(job, state))
        covered |= job.outputs
    return Listing(rows[::-1], sum(state.word == DONE for state in states.values()))


def _row(job: SubmittedJob, state: JobState) -> tuple[str, ...]:
    runs = [RunPaths(Path(run)) for run in sorted((output.run for output in job.outputs), key=_by_number)]
    replicate = runs[0].replicate
    names = [str(run.directory.relative_to(run.replicate.directory)) for run in runs]
    shown = names[0] if len(names) == 1 else f"{len(names)}, from {names[0]} to {names[-1]}"
    return (job.job_id, state.word, replicate.name, str(replicate.number), shown, job.label, state.reason)


def _by_number(run: str) -> list[str | int]:
    """Return by what level_10 comes after level_9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", run)]
