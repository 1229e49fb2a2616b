"""Jobs that must make way, are cancelled, or whose controller dies: nothing is lost, and nothing runs twice."""

from __future__ import annotations

import re
import subprocess

import cli
from tests.open_lth.running import LENET, Workplace, results
from tests.slurm.loopback import Loopback, asked, restarts, runs_of, until

WORDS = (*LENET, "--threads=1")
LONG = ("--training_steps=60ep",)
ENDLESS = "--training_steps=1000000ep"
AMID = "main  test  ep 3 "
"""What a job prints some steps after it has begun, and long before its end."""


def local_results(workplace: Workplace, tmp_path, *commands: tuple[str, ...]) -> dict[str, bytes]:
    """Return what uninterrupted runs of commands make."""
    local = Workplace(tmp_path / "local", workplace.dataset_root)
    for words in commands:
        local.done(*words, "--quiet")
    return results(local.root)


def processes_of(workplace: Workplace) -> str:
    """Return the processes of commands that work in a root."""
    asked_for = ["pgrep", "-af", f"cli.py .*--root={workplace.root}"]
    return subprocess.run(asked_for, capture_output=True, text=True, check=False).stdout


def last_epoch(log: str) -> int:
    """Return the last epoch after which a job has tested."""
    return max(map(int, re.findall(r"  test  ep (\d+) ", log)), default=0)


def test_a_job_told_to_make_way_saves_is_requeued_and_ends_in_the_same_bits(submit, workplace, tmp_path):
    lottery = ("lottery", "--levels=0", *WORDS, *LONG)
    branch = ("lottery_branch", "reinit", "--levels=0", *WORDS, *LONG)
    submission, waiting = submit(*lottery), submit(*branch)
    [job] = submission.jobs
    submission.wait_for(job, AMID)
    asked("scancel", "--batch", "--signal=USR1", job)  # what Slurm sends before the time limit
    submission.wait_for(job, "stopped by SIGTERM in ")
    until(lambda: submission.log(job).count(" begins on ") == 2, what=submission.logs)
    assert restarts(job) == 1
    submission.wait()
    waiting.wait()  # what depends on a requeued job waits for its real end
    assert results(workplace.root) == local_results(workplace, tmp_path, lottery, branch), submission.logs()
    assert submission.log(job).count("stopped by SIGTERM") == 1


def test_a_command_that_alone_is_asked_to_stop_is_requeued_as_well(submit, workplace, tmp_path):
    words = ("train", *WORDS, *LONG)
    submission = submit(*words)
    [job] = submission.jobs
    submission.wait_for(job, AMID)
    process = processes_of(workplace).split()[0]
    subprocess.run(["kill", "-TERM", process], check=True)
    until(lambda: submission.log(job).count(" begins on ") == 2, what=submission.logs)
    submission.wait()
    assert results(workplace.root) == local_results(workplace, tmp_path, words)


def test_a_job_goes_on_after_its_time_limit_and_a_cancelled_one_stays_away_but_can_be_resumed(submit, workplace):
    submission = submit("train", *WORDS, ENDLESS, "--slurm_time=1", "--slurm_signal_delay=5")
    [job] = submission.jobs
    until(lambda: submission.log(job).count(" begins on ") == 2, what=submission.logs)
    assert restarts(job) == 1
    before, _, _ = submission.log(job).rpartition(" begins on ")
    assert before.count("stopped by SIGTERM") == 1 and "TIME LIMIT" not in before
    reached = last_epoch(before)
    until(lambda: last_epoch(submission.log(job)) > reached + 3, what=submission.logs)
    assert not reached or "  ep 1 " not in submission.log(job).removeprefix(before)

    asked("scancel", job)
    until(lambda: not processes_of(workplace), patience=15)
    submission.wait()  # and does not come back
    assert re.search(rf"^{job} +stopped ", runs_of(workplace), re.MULTILINE)
    assert submission.log(job).count("stopped by SIGTERM in ") >= 1
    reached = last_epoch(submission.log(job))
    resumed = submit("train", *WORDS, ENDLESS)
    resumed.wait_for(resumed.jobs[0], "main  test  ")
    assert reached <= last_epoch(resumed.log(resumed.jobs[0])) + 1 and "  ep 1 " not in resumed.logs()


def test_the_controller_may_be_killed_while_jobs_run_and_wait(slurm: Loopback, submit, workplace, tmp_path, capsys):
    words = (*WORDS, "--training_steps=30ep")
    lottery = ("lottery", "--levels=0", *words)
    branch = ("lottery_branch", "reinit", "--levels=0", *words)
    running, waiting = submit(*lottery), submit(*branch)
    running.wait_for(running.jobs[0], " begins on ")
    slurm.kill_controller(waiting.jobs[0])
    assert cli.main(["runs", f"--root={workplace.root}"]) == 0
    assert capsys.readouterr().err.startswith("warning: squeue: ")
    more = ("lottery", "--levels=1", *words)  # which is not done, however fast the first level is
    assert "squeue: " in workplace.refused(*more, "--platform=slurm")  # it cannot know what is queued
    slurm.start()
    running.wait()
    waiting.wait()
    assert results(workplace.root) == local_results(workplace, tmp_path, lottery, branch)
