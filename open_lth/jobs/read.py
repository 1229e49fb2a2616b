"""From a command to a job."""

from __future__ import annotations

from collections.abc import Sequence

from open_lth.command import Job, Words, read_command
from open_lth.runners.evaluation import are_measured


def read_job(
    words: Words, label: str, program: Sequence[str], elsewhere: bool = False, after: tuple[Job, ...] = ()
) -> Job:
    """Return the job that runs a command.

    Args:
        program: the words before the command that make it run: the interpreter and the program.
        elsewhere: whether it will run on another machine, whose devices are not known here.

    Raises:
        UserError: if a flag is missing, unknown or invalid, or the command stands for no training runs.
    """
    runs, evaluation = read_command(words, program, elsewhere)
    return Job(
        label=label,
        command=words,
        iterations=0 if evaluation.passes else sum(run.end.iteration for run in runs),
        is_done=all(run.is_done for run in runs) and are_measured(runs, evaluation),
        after=after,
        runs=tuple(runs),
        evaluation=evaluation,
    )
