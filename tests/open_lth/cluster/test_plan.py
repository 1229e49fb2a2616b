"""Which jobs are submitted together, and after which others."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundations.errors import UserError
from open_lth.cluster.plan import LARGEST_ARRAY, Conditions, Task, make_plan
from open_lth.cluster.records import Output, SubmittedJob
from open_lth.cluster.submission import dependency


def outputs(*runs: str, passes: int = 0) -> frozenset[Output]:
    return frozenset(Output(run, passes) for run in runs)


def task(name: str, *after: Task, makes: str = "", needs: str = "") -> Task:
    return Task(name, (name,), outputs(makes or name), outputs(*([needs] if needs else [])), after)


def submitted(job_id: str, *runs: str, passes: int = 0) -> SubmittedJob:
    return SubmittedJob(job_id, "", ("train",), outputs(*runs, passes=passes), Path())


def shape(tasks: list[Task], *active: SubmittedJob) -> list[tuple[list[str], list[str]]]:
    """Return the labels of each array, and of what it waits for."""
    plan = make_plan(tasks, active)
    return [([one.label for one in a.tasks], [one.label for one in a.conditions.tasks]) for a in plan.arrays]


def test_what_waits_for_nothing_is_one_array():
    assert shape([task("a"), task("b"), task("c")]) == [(["a", "b", "c"], [])]


def test_what_starts_from_one_trunk_is_an_array_that_waits_for_that_trunk_alone():
    a, b = task("a"), task("b")
    tasks = [a, task("a1", a), b, task("a2", a), task("b1", b)]
    assert shape(tasks) == [(["a", "b"], []), (["a1", "a2"], ["a"]), (["b1"], ["b"])]


def test_arrays_come_in_the_order_in_which_they_can_begin():
    a = task("a")
    a1 = task("a1", a)
    a11 = task("a11", a1)
    assert shape([a, a1, a11, task("b"), task("both", a, a11)]) == [
        (["a", "b"], []),
        (["a1"], ["a"]),
        (["a11"], ["a1"]),
        (["both"], ["a", "a11"]),
    ]


def test_an_array_has_at_most_as_many_elements_as_slurm_takes():
    plan = make_plan([task(str(number)) for number in range(LARGEST_ARRAY + 1)], [])
    assert [len(array.tasks) for array in plan.arrays] == [LARGEST_ARRAY, 1]


def test_what_an_active_job_makes_is_not_submitted_again_and_what_comes_after_waits_for_it():
    trunk = task("trunk", makes="level_0")
    branch = task("branch", trunk, needs="level_0")
    plan = make_plan([trunk, branch], [submitted("7_1", "level_0", "level_1")])
    assert plan.queued == {trunk: "7_1"}
    [array] = plan.arrays
    assert (array.tasks, array.conditions) == ((branch,), Conditions(succeeded=("7_1",)))


def test_measuring_the_same_runs_with_more_passes_is_another_thing():
    measuring = Task("evaluate", ("evaluate",), outputs("level_0", passes=5))
    assert make_plan([measuring], [submitted("7", "level_0", passes=5)]).queued == {measuring: "7"}
    assert not make_plan([measuring], [submitted("7", "level_0", passes=2)]).queued


def test_more_levels_of_a_lottery_that_is_under_way_wait_until_that_has_ended():
    more = Task("lottery", ("lottery",), outputs("level_0", "level_1", "level_2"))
    [array] = make_plan([more], [submitted("7", "level_0", "level_1")]).arrays
    assert array.conditions == Conditions(ended=("7",))


def test_what_an_ending_job_was_to_make_is_submitted_again_after_its_end():
    again = task("again", makes="level_0")
    [array] = make_plan([again], [], ending=[submitted("7", "level_0")]).arrays
    assert array.conditions == Conditions(ended=("7",))


def test_what_nothing_makes_is_named():
    with pytest.raises(UserError, match="branch: needs level_3, which is not finished, and no job that is queued or"):
        make_plan([task("branch", needs="level_3")], [submitted("7", "level_0")])


def test_conditions_are_written_as_sbatch_takes_them():
    trunk = task("trunk")
    jobs = {trunk: submitted("8_3")}
    assert dependency(Conditions(), {}) == ""
    assert dependency(Conditions(tasks=(trunk,)), jobs) == "afterok:8_3"
    assert dependency(Conditions((trunk,), ("5", "6_1"), ("7",)), jobs) == "afterok:5:6_1:8_3,afterany:7"
