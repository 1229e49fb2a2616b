"""Jobs run side by side, so many at a time, whatever becomes of some of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from foundations.interruption import ONE_REQUEST, Interrupted
from open_lth.jobs import JobsFailed


def test_every_job_runs_once_in_a_process_of_its_own(jobs, tmp_path):
    jobs.run(*(jobs.job(name, f"open('{name}', 'a').write(f'{{os.getpid()}} ')") for name in "abcde"))
    processes = [(tmp_path / name).read_text().split() for name in "abcde"]
    assert [len(found) for found in processes] == [1] * 5
    assert len({found[0] for found in processes} | {str(os.getpid())}) == 6


def test_jobs_wait_for_each_other_only_if_they_run_at_the_same_time(jobs):
    """Each of the three goes on when the others have begun: two at a time, they would wait for ever."""
    lines = ["wait_for('a'), wait_for('b'), wait_for('c')"]
    jobs.run(*(jobs.job(name, f"touch('{name}')", *lines) for name in "abc"), at_most=3)


def test_no_more_run_at_a_time_than_are_allowed(jobs):
    moment = "open('log', 'a').write('{}\\n')"
    jobs.run(*(jobs.job(n, moment.format("begin"), "time.sleep(0.15)", moment.format("end")) for n in "abcde"))
    running, most = 0, 0
    for line in Path("log").read_text().splitlines():
        running += 1 if line == "begin" else -1
        most = max(most, running)
    assert (running, most) == (0, 2)


def test_they_begin_in_the_order_given(jobs):
    jobs.run(*(jobs.job(name, f"open('log', 'a').write('{name}')") for name in "badc"), at_most=1)
    assert Path("log").read_text() == "badc"


def test_a_job_begins_when_those_it_needs_are_done_and_others_do_not_wait_for_it(jobs):
    log = "open('log', 'a').write('{}')"
    trunk = jobs.job("trunk", "wait_for('other')", log.format("t"))
    branch = jobs.job("branch", log.format("b"), after=(trunk, jobs.job("done", is_done=True)))
    last = jobs.job("last", log.format("l"), after=(branch,))
    jobs.run(last, branch, trunk, jobs.job("other", log.format("o"), "touch('other')"), at_most=4)
    assert Path("log").read_text() == "otbl"


def test_what_needs_a_job_that_failed_does_not_begin(jobs):
    trunk = jobs.job("trunk", "sys.exit(2)")
    branch = jobs.job("branch", "touch('branch')", after=(trunk,))
    with pytest.raises(JobsFailed) as caught:
        jobs.run(jobs.job("last", "touch('last')", after=(branch,)), branch, trunk, jobs.job("other", "touch('other')"))
    assert [path.name for path in Path().iterdir()] == ["other"]
    assert {job.label: reason for job, reason in caught.value.reasons.items()} == {
        "trunk": "exit code 2",
        "branch": "not begun, since trunk failed",
        "last": "not begun, since branch failed",
    }


def test_what_is_done_already_is_not_run(jobs):
    jobs.run(jobs.job("a", "touch('a')", is_done=True), jobs.job("b", "touch('b')"))
    assert [path.name for path in Path().iterdir()] == ["b"]


def test_nothing_to_do_is_done_at_once(jobs):
    jobs.run()
    jobs.run(jobs.job("a", "touch('a')", is_done=True))
    assert not list(Path().iterdir())


def test_a_job_sees_the_same_environment_and_directory_but_no_keyboard(jobs, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    seen = "open('seen', 'w').write(repr((os.environ['OMP_NUM_THREADS'], os.getcwd(), sys.stdin.read())))"
    jobs.run(jobs.job("a", seen))
    assert Path("seen").read_text() == repr(("7", str(tmp_path), ""))


def test_what_failed_is_told_at_the_end_with_its_command_and_the_others_are_done(jobs, capfd):
    with pytest.raises(JobsFailed) as caught:
        jobs.run(
            jobs.job("level_0", "print('error: no space left', file=sys.stderr)", "sys.exit(2)"),
            jobs.job("level_1", "touch('1')"),
            jobs.job("level_2", "1 / 0"),
            jobs.job("level_3", "touch('3')"),
            jobs.job("level_4", "os.kill(os.getpid(), signal.SIGKILL)"),
            jobs.job("level_5", "sys.exit(3)"),
        )
    assert sorted(path.name for path in Path().iterdir()) == ["1", "3"]
    assert str(caught.value).splitlines() == [
        "4 of 6 failed, the others are done",
        "level_0: no space left",
        """    to repeat: python open_lth.py 'print('"'"'error: no space left'"'"', file=sys.stderr)' 'sys.exit(2)'""",
        "level_2: ZeroDivisionError: division by zero",
        "    to repeat: python open_lth.py '1 / 0'",
        "level_4: ended by SIGKILL",
        "    to repeat: python open_lth.py 'os.kill(os.getpid(), signal.SIGKILL)'",
        "level_5: exit code 3",
        "    to repeat: python open_lth.py 'sys.exit(3)'",
    ]
    err = capfd.readouterr().err.splitlines()
    assert "level_0  failed: no space left" in err
    assert "level_2  Traceback (most recent call last):" in err
    assert err.count("level_2  failed: ZeroDivisionError: division by zero") == 1


def test_a_job_that_was_stopped_by_another_hand_is_started_once_more(jobs):
    stopped_at_first = "begun = os.path.exists('a'); touch('a'); begun or sys.exit(75); touch('again')"
    jobs.run(first := jobs.job("a", stopped_at_first), jobs.job("b", "touch('b')", after=(first,)))
    assert {path.name for path in Path().iterdir()} == {"a", "again", "b"}


def test_a_job_that_is_stopped_again_and_again_failed_where_it_says(jobs):
    words = "print('stopped by SIGTERM in level_0; everything up to there is saved\\nto go on: ...', file=sys.stderr)"
    with pytest.raises(JobsFailed) as caught:
        jobs.run(jobs.job("a", words, "sys.exit(75)"))
    assert "\na: stopped by SIGTERM in level_0; everything up to there is saved\n" in str(caught.value)


def test_much_on_stdout_and_stderr_blocks_nothing(jobs, capfd):
    jobs.run(jobs.job("a", "print('x' * 1_000_000)", "print('y' * 1_000_000, file=sys.stderr)"), quiet=True)
    out, err = capfd.readouterr()
    assert (out, len(err)) == ("", 1_000_000 + len("a  \n"))


LONG = "time.sleep(60)"
SAVING = (
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), touch(f'saved {os.getpid()}'), sys.exit(75)))",
    "open('begun', 'a').write('x')",
    LONG,
)


def after_they_began(count: int, *signals: int) -> threading.Thread:
    """Send signals to this process, far enough from each other to count as several, when so many jobs have begun."""

    def send() -> None:
        while not Path("begun").exists() or len(Path("begun").read_text()) < count:
            time.sleep(0.01)
        first, *others = signals
        os.kill(os.getpid(), first)
        for number in others:
            time.sleep(1.1 * ONE_REQUEST)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)  # jobs that never begin keep no worker from ending
    thread.start()
    return thread


@pytest.fixture
def ctrl_c_counts():
    """As in a terminal: tests that a shell started in the background would ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_when_asked_to_stop_it_lets_what_is_under_way_save_itself_and_begins_nothing_more(
    jobs, ctrl_c_counts, number, code
):
    thread = after_they_began(2, number)
    with pytest.raises(Interrupted) as caught:
        jobs.run(jobs.job("a"), *(jobs.job(name, *SAVING) for name in "bcd"), quiet=True)
    thread.join()
    assert caught.value.exit_code == code
    name = signal.Signals(number).name
    assert str(caught.value) == f"stopped by {name} in 4 jobs, of which 1 are done; everything up to there is saved"
    assert len(list(Path().glob("saved *"))) == 2
    assert Path("begun").read_text() == "xx"


def test_a_second_ctrl_c_waits_for_nobody(jobs, ctrl_c_counts):
    deaf = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "open('pid', 'w').write(str(os.getpid()))",
        "open('begun', 'a').write('x')",
        LONG,
    )
    thread = after_they_began(1, signal.SIGINT, signal.SIGINT)
    with pytest.raises(Interrupted):
        jobs.run(jobs.job("a", *deaf))
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text()), 0)


@pytest.mark.parametrize(
    ("at_most", "own", "found"), [(2, None, "PASSIVE"), (1, None, "None"), (2, "ACTIVE", "ACTIVE")]
)
def test_idle_threads_leave_the_cores_to_the_other_processes(jobs, monkeypatch, at_most, own, found):
    """Unless the user has said how they wait; alone, spinning is faster."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if own:
        monkeypatch.setenv("OMP_WAIT_POLICY", own)
    jobs.run(jobs.job("a", "open('policy', 'w').write(str(os.environ.get('OMP_WAIT_POLICY')))"), at_most=at_most)
    assert Path("policy").read_text() == found
