"""What was submitted, kept beside the logs of its jobs."""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from foundations.errors import UnreadableFile
from foundations.paths import SUBMISSIONS, RunPaths
from foundations.storage import read_json, write_json
from open_lth.evaluation_request import EvaluationRequest
from open_lth.runners.evaluation import is_measured

_RECORD = "submission.json"


class Output(NamedTuple):
    """What a job makes of one run.

    Args:
        run: the run's directory, relative to the root.
        passes: with how many the run is measured; 0 if it is trained.
        shifts, ood, ensemble, samples, on: what else of an `EvaluationRequest` is asked for.
    """

    run: str
    passes: int
    shifts: tuple[str, ...] = ()
    ood: tuple[str, ...] = ()
    ensemble: str = ""
    samples: int = 0
    on: str = ""

    @staticmethod
    def of(run: Path, request: EvaluationRequest) -> Output:
        """Return what is measured of a run, or the run itself."""
        return Output(
            str(run), request.passes, request.shifts, request.ood, request.ensemble, request.samples, request.on
        )

    def is_there(self, root: Path) -> bool:
        """Return whether it has been made, as far as the files tell."""
        request, paths = EvaluationRequest(*self[1:]), RunPaths(root / self.run)
        if not request.passes:
            return paths.is_finished
        return is_measured(paths.ensemble(request.ensemble) if request.ensemble else paths, request)

    def as_plain(self) -> list[Any]:
        """Return it as a record keeps it: what is not asked for at the end is left out."""
        plain = [list(part) if isinstance(part, tuple) else part for part in self]
        while len(plain) > 2 and not plain[-1]:
            plain.pop()
        return plain

    @staticmethod
    def from_plain(run: str, passes: int, shifts: Sequence[str] = (), ood: Sequence[str] = (), *more: Any) -> Output:
        """Return what `as_plain` gave."""
        return Output(str(run), int(passes), tuple(map(str, shifts)), tuple(map(str, ood)), *more)


@dataclass(frozen=True)
class SubmittedJob:
    """A job that was submitted.

    Args:
        job_id: as people write it: `12`, or `12_3` for an element of an array.
        label: what it is called.
        command: the words after the program's name.
        folder: where its log lies.
    """

    job_id: str
    label: str
    command: tuple[str, ...]
    outputs: frozenset[Output]
    folder: Path

    @property
    def log(self) -> Path:
        """What the job prints, over all its starts."""
        return self.folder / f"{self.job_id}.out"

    @property
    def outcome(self) -> Path:
        """What its command ended with, once it has ended by itself."""
        return self.folder / f"{self.job_id}_outcome.json"

    def is_done(self, root: Path) -> bool:
        """Return whether everything that it is to make is there."""
        return all(output.is_there(root) for output in self.outputs)


def new_folder(root: Path) -> Path:
    """Return a new place for the logs and the record of a submission; later ones sort behind earlier ones."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return root / SUBMISSIONS / f"{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"


def write_record(folder: Path, command: Sequence[str], jobs: Sequence[SubmittedJob]) -> None:
    """Keep what has been submitted so far."""
    write_json(folder / _RECORD, {"command": list(command), "jobs": [_as_plain(job) for job in jobs]})


def read_records(root: Path) -> list[SubmittedJob]:
    """Return all jobs that were submitted, the earliest first.

    Raises:
        UnreadableFile: if a record is damaged.
    """
    return [job for path in sorted((root / SUBMISSIONS).glob(f"*/{_RECORD}")) for job in _read(path)]


def _as_plain(job: SubmittedJob) -> dict[str, Any]:
    outputs = [output.as_plain() for output in sorted(job.outputs)]
    return {"id": job.job_id, "label": job.label, "command": list(job.command), "outputs": outputs}


def _read(path: Path) -> list[SubmittedJob]:
    try:
        return [
            SubmittedJob(
                job_id=str(job["id"]),
                label=str(job["label"]),
                command=tuple(job["command"]),
                outputs=frozenset(Output.from_plain(*output) for output in job["outputs"]),
                folder=path.parent,
            )
            for job in read_json(path)["jobs"]
        ]
    except (KeyError, TypeError, ValueError):
        raise UnreadableFile(path, "is no record of a submission", "delete it to have its jobs forgotten") from None
