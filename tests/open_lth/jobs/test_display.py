"""What a person sees while jobs run side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from open_lth.jobs import JobsFailed, JobsRunner
from open_lth.jobs.display import JobsDisplay
from tests.terminal import Terminal
from training.reports import Report


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def evaluation(run: str) -> str:
    return f"report('{run}', 5, 10, 'test  accuracy 50 %')"


def test_away_from_a_terminal_there_are_the_evaluations_and_a_line_for_each_finished_job(jobs, capfd):
    done = jobs.job("level_0/main", is_done=True)
    one, other = jobs.job("level_1/main", evaluation("level_1/main")), jobs.job("resnet", evaluation("level_7/main"))
    jobs.run(done, one, other, at_most=1)
    assert capfd.readouterr() == (
        "1 of 3 are done already\n"
        "level_1/main  test  accuracy 50 %\n"
        "level_1/main  done (2 of 3)\n"
        "resnet level_7/main  test  accuracy 50 %\n"
        "resnet  done (3 of 3)\n",
        "",
    )


def test_what_a_job_prints_itself_is_not_shown_but_its_warnings_are(jobs, capfd):
    jobs.run(jobs.job("a", "print('header')", "print('warning: pruned away whole', file=sys.stderr)"))
    assert capfd.readouterr() == ("a  done (1 of 1)\n", "a  warning: pruned away whole\n")


def test_when_quiet_there_are_only_warnings_and_errors(jobs, capfd):
    with pytest.raises(JobsFailed):
        jobs.run(
            jobs.job("a", evaluation("a"), "print('warning: pruned away whole', file=sys.stderr)"),
            jobs.job("b", is_done=True),
            jobs.job("c", "sys.exit(3)"),
            at_most=1,
            quiet=True,
        )
    assert capfd.readouterr() == ("", "a  warning: pruned away whole\nc  failed: exit code 3\n")


def test_when_quiet_there_is_no_bar_on_a_terminal_either(jobs, terminal, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    jobs.run(jobs.job("a", evaluation("a")), quiet=True)
    assert (terminal.text(), capsys.readouterr().out) == ("", "")


def test_on_a_terminal_one_bar_counts_jobs_and_the_iterations_of_all_of_them(jobs, terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def bar(running: int) -> str:
        now[0] += 1
        display.refresh(running)
        return terminal.text()

    done, known, unknown, failing = (
        jobs.job("a", iterations=100, is_done=True),
        jobs.job("b", iterations=100),
        jobs.job("c"),
        jobs.job("d", iterations=50),
    )
    display = JobsDisplay([done, known, unknown, failing], quiet=False)
    assert "1 done, 0 running, 3 left: " in (shown := bar(0)) and " 100/250 " in shown
    display.report(known, Report("b", 30, 100))
    display.report(unknown, Report("level_0", 200, 200))
    display.report(unknown, Report("level_1", 20, 200))
    assert "1 done, 2 running, 1 left: " in (shown := bar(2)) and " 350/650 " in shown
    display.finished(known, [])
    assert "2 done, 1 running, 1 left: " in (shown := bar(1)) and " 420/650 " in shown
    display.failed(failing, "no", [])
    assert "2 done, 1 running, 0 left, 1 failed: " in bar(1)
    display.close()


def test_the_bar_is_drawn_four_times_a_second_at_most(jobs, terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    display = JobsDisplay([jobs.job("a", iterations=100)], quiet=False)
    for _ in range(100):
        now[0] += 0.03125
        display.refresh(1)
    assert terminal.text().count("1 running") == 13
    display.close()


def test_evaluations_can_be_left_out(jobs, capfd):
    JobsRunner([jobs.job("a", evaluation("a"))], 1, jobs.program, quiet=False, show_evaluations=False).run()
    assert capfd.readouterr() == ("a  done (1 of 1)\n", "")


def test_a_finished_job_says_how_long_the_others_will_take_if_that_is_minutes(jobs, capsys, monkeypatch):
    clock = iter([0.0, 600.0, 601.0, 602.0, 603.0])
    monkeypatch.setattr("open_lth.jobs.display.time", SimpleNamespace(monotonic=lambda: next(clock)))
    known = [jobs.job("0", iterations=50, is_done=True)]
    known += [jobs.job(name, iterations=count) for name, count in (("a", 100), ("b", 300), ("c", 1), ("d", 1))]
    display = JobsDisplay(known, quiet=False)
    for job in known[1:]:
        display.finished(job, [])
    display.close()
    assert capsys.readouterr().out.splitlines() == [
        "1 of 5 are done already",
        "a  done (2 of 5, about 30 min left)",
        "b  done (3 of 5)",
        "c  done (4 of 5)",
        "d  done (5 of 5)",
    ]


def test_nothing_is_said_of_the_time_left_after_a_job_with_hardly_an_iteration(jobs, capsys, monkeypatch):
    clock = iter([0.0, 60.0, 600.0])
    monkeypatch.setattr("open_lth.jobs.display.time", SimpleNamespace(monotonic=lambda: next(clock)))
    known = [jobs.job(name, iterations=count) for name, count in (("evaluate", 1), ("a", 500), ("b", 500))]
    display = JobsDisplay(known, quiet=False)
    for job in known[:2]:
        display.finished(job, [])
    display.close()
    assert capsys.readouterr().out.splitlines() == ["evaluate  done (1 of 3)", "a  done (2 of 3, about 10 min left)"]
