"""A command for several replicates, `--replicate=1-5`: one after another, or several at a time with `--jobs`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from foundations.errors import InvalidValue, UserError
from foundations.paths import REPLICATES
from open_lth.command import COMMANDS, Job, Words, read_flags

_ONE = r"\d{1,9}(?:-\d{1,9})?"
_SEVERAL = re.compile(rf"(?=.*[-,]){_ONE}(?:,{_ONE})*", re.ASCII)


def replicates_of(words: Sequence[str]) -> list[int]:
    """Return the numbers that a command has in `--replicate`, if they are several; else nothing.

    Raises:
        InvalidValue: if a range does not ascend, or begins before 1, or the command takes all that there are.
    """
    text = _value_of(words, "--replicate")
    if text is None or not _SEVERAL.fullmatch(text):
        return []
    ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
    if any(ends[0] < 1 or ends[-1] < ends[0] for ends in ranges):
        raise InvalidValue("replicate", text, "must be numbers from 1 and ascending ranges of them, e.g. 1-3,5")
    if _value_of(words, "--ensemble") == REPLICATES:
        raise InvalidValue("replicate", text, "--ensemble=replicates averages all that are finished; leave it out")
    return sorted({number for ends in ranges for number in range(ends[0], ends[-1] + 1)})


def command_of(words: Sequence[str], replicate: int) -> Words:
    """Return the command for one of its replicates."""
    return (*_without(words, "--replicate"), f"--replicate={replicate}")


def jobs_at_a_time(words: Sequence[str]) -> int:
    """Return how many networks a command for several replicates trains at a time.

    Raises:
        InvalidValue: if `--jobs` is no such number.
    """
    text = _value_of(words, "--jobs") or "1"
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InvalidValue("jobs", text, "must be a whole number of at least 1")
    return int(text)


def run_side_by_side(words: Sequence[str], numbers: Sequence[int], at_a_time: int, program: Sequence[str]) -> None:
    """Run a command for several replicates, several jobs at a time, each in a process of its own.

    A branch has a job for each level.

    Raises:
        UserError: if a flag is missing or invalid, or jobs failed; then the others are done.
    """
    from open_lth.jobs import JobsRunner, read_job

    jobs: list[Job] = []
    for number in numbers:
        own = command_of(_without(words, "--jobs"), number)
        args = read_flags(own, program)
        if args.platform != "local":
            raise UserError(f"--jobs={at_a_time}: with --platform=slurm, --slurm_parallel says how many run at a time")
        command = COMMANDS.get(args.command_line[0])
        if command.has_jobs:
            of_levels = command.jobs(args, args.command_line[1:])
            jobs += [replace(job, label=f"{job.label}, replicate {number}") for job in of_levels]
        else:
            jobs.append(read_job(args.command_line, f"{own[0]}, replicate {number}", program))
    JobsRunner(jobs, at_a_time, program, "--quiet" in words).run()


def _value_of(words: Sequence[str], flag: str) -> str | None:
    """Return the last value of a flag."""
    found = None
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == flag:
            found = value if equals else (words[index + 1] if index + 1 < len(words) else "")
    return found


def _without(words: Sequence[str], flag: str) -> Words:
    """Return a command without a flag, and without its value where that is a word of its own."""
    values = {index + 1 for index, word in enumerate(words) if word == flag}
    return tuple(w for i, w in enumerate(words) if i not in values and w.partition("=")[0] != flag)
