"""Which jobs are submitted together, and after which others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foundations.errors import UserError
from open_lth.cluster.records import Output, SubmittedJob

LARGEST_ARRAY = 1000
"""What Slurm allows unless it is told otherwise (MaxArraySize)."""


@dataclass(frozen=True, eq=False)
class Task:
    """A command that is to become a job.

    Args:
        label: what it is called.
        command: the words after the program's name.
        outputs: what it makes.
        missing: what it needs and is not there yet.
        after: the tasks that it comes after.
    """

    label: str
    command: tuple[str, ...]
    outputs: frozenset[Output]
    missing: frozenset[Output] = frozenset()
    after: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Conditions:
    """What must have happened before a job starts.

    Args:
        tasks: these must have succeeded.
        succeeded: so must these jobs, which were submitted earlier.
        ended: these jobs must have ended; they work on the same runs.
    """

    tasks: tuple[Task, ...] = ()
    succeeded: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Array:
    """Tasks that are submitted at once, since they wait for the same."""

    tasks: tuple[Task, ...]
    conditions: Conditions


@dataclass(frozen=True)
class Plan:
    """What is to be submitted, in this order, and what is queued or running already."""

    arrays: list[Array]
    queued: dict[Task, str]


def make_plan(tasks: Sequence[Task], active: Sequence[SubmittedJob], ending: Sequence[SubmittedJob] = ()) -> Plan:
    """Return how to submit tasks.

    A task waits for those jobs alone whose results it needs, so that one that fails takes no others along. Those that
    wait for the same are one array: all that wait for nothing, and, for each trunk, all that start from it.

    Args:
        tasks: what is not done; each after those it comes after.
        active: jobs that are queued or running; what they make is not submitted again.
        ending: jobs about to end, such as those that were cancelled just now.

    Raises:
        UserError: if a task needs what nothing makes.
    """
    queued = {task: job.job_id for task in tasks for job in active if task.outputs <= job.outputs}
    groups: dict[Conditions, list[Task]] = {}
    for task in tasks:
        if task not in queued:
            groups.setdefault(_conditions(task, queued, (*active, *ending)), []).append(task)
    arrays = [  # the first task of a group comes after all that the group waits for, and so does the group
        Array(tuple(members[start : start + LARGEST_ARRAY]), conditions)
        for conditions, members in groups.items()
        for start in range(0, len(members), LARGEST_ARRAY)
    ]
    return Plan(arrays, queued)


def _conditions(task: Task, queued: Mapping[Task, str], others: Sequence[SubmittedJob]) -> Conditions:
    makers = [job for job in others if job.outputs & task.missing]
    succeeded = [queued[one] for one in task.after if one in queued] + [job.job_id for job in makers]
    ended = [job.job_id for job in others if job.outputs & task.outputs and job.job_id not in succeeded]
    made = frozenset[Output]().union(*(job.outputs for job in makers), *(one.outputs for one in task.after))
    if nowhere := sorted(task.missing - made):
        raise UserError(
            f"{task.label}: needs {nowhere[0].run}, which is not finished, and no job that is queued or running makes "
            "it; submit the command that does first"
        )
    return Conditions(
        tasks=tuple(one for one in task.after if one not in queued),
        succeeded=tuple(dict.fromkeys(succeeded)),
        ended=tuple(ended),
    )
