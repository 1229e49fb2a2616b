"""What has become of jobs: from what Slurm's commands print, and from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foundations.errors import UnreadableFile
from open_lth.cluster import states
from open_lth.cluster.listing import list_jobs
from open_lth.cluster.records import Output, SubmittedJob, new_folder, read_records, write_record
from open_lth.cluster.states import JobState, SlurmIsSilent, job_states, read_sacct, read_squeue, reason_of

RUN = "lottery_0/replicate_1/level_0/main"


def record(root: Path, *jobs: tuple[str, str, int]) -> list[SubmittedJob]:
    """Record jobs by id, run and passes, each as a submission of its own."""
    for job_id, run, passes in jobs:
        folder = new_folder(root)
        outputs = frozenset([Output(run, passes)])
        write_record(folder, ["lottery"], [SubmittedJob(job_id, f"lottery {job_id}", ("lottery",), outputs, folder)])
    return read_records(root)


def says(monkeypatch: pytest.MonkeyPatch, squeue: str, sacct: str | None = None) -> list[str]:
    """Let Slurm's commands print something; return what will hold the commands asked."""
    asked: list[str] = []

    def answer(*command: str) -> str:
        asked.append(" ".join(command))
        if command[0] == "squeue":
            return squeue
        if sacct is None:
            raise SlurmIsSilent("Slurm accounting storage is disabled")
        return sacct

    monkeypatch.setattr(states, "_asked", answer)
    monkeypatch.setattr(states.shutil, "which", lambda name: f"/usr/bin/{name}")
    return asked


def made(root: Path, run: str = RUN) -> None:
    (root / run).mkdir(parents=True)
    (root / run / "logger").write_text("test_accuracy,0,0.5")


def ended(job: SubmittedJob, code: int, *printed: str) -> None:
    job.outcome.write_text(json.dumps({"exit_code": code}))
    job.log.write_text("\n".join([f"job {job.job_id} begins on node, restart 0", *printed, ""]))


def test_the_queue_is_read_by_job():
    text = "12|RUNNING|None\n13_0|PENDING|Dependency\n13_1|PENDING|None\n14|COMPLETING|None\n15|SUSPENDED|None\n"
    assert read_squeue(text) == {
        "12": JobState("running"),
        "13_0": JobState("queued", "Dependency"),
        "13_1": JobState("queued"),
        "14": JobState("ending"),
        "15": JobState("running"),
    }


def test_accounting_is_read_by_job():
    found = read_sacct("12|TIMEOUT\n13_4|CANCELLED by 1000\n14|OUT_OF_MEMORY\n")
    assert found["12"] == JobState("failed", "Slurm says TIMEOUT")
    assert found["13_4"] == JobState("stopped", "Slurm says CANCELLED")
    assert found["14"] == JobState("failed", "Slurm says OUT_OF_MEMORY")


def test_a_job_whose_runs_are_there_is_done_and_slurm_is_not_asked(tmp_path, monkeypatch):
    asked = says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    made(tmp_path)
    assert job_states([job], tmp_path) == {job: JobState("done")}
    assert not asked


def test_measures_are_there_once_they_have_the_passes(tmp_path, monkeypatch):
    says(monkeypatch, "")
    jobs = record(tmp_path, ("12", RUN, 2), ("13", RUN, 5))
    made(tmp_path)
    measured = {"passes": 3, "step": "2ep0it", "final": {}, "reliability": {}}
    (tmp_path / RUN / "evaluation.json").write_text(json.dumps(measured))
    assert [state.word for state in job_states(jobs, tmp_path).values()] == ["done", "stopped"]


def test_a_job_says_itself_why_it_failed(tmp_path, monkeypatch):
    asked = says(monkeypatch, "")
    [job] = record(tmp_path, ("12_3", RUN, 0))
    ended(job, 2, "main  test  ep 1", "error: training diverged")
    assert job_states([job], tmp_path) == {job: JobState("failed", "training diverged")}
    assert not asked


def test_a_job_that_made_what_has_gone_since_counts_as_stopped(tmp_path, monkeypatch):
    says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    ended(job, 0)
    assert job_states([job], tmp_path) == {job: JobState("stopped", "what it made is no longer there")}


def test_only_what_was_printed_since_the_last_start_is_a_reason(tmp_path, monkeypatch):
    says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    ended(job, 1, "error: of an earlier start", "job 12 begins on other, restart 1", "KeyError: 3")
    assert job_states([job], tmp_path) == {job: JobState("failed", "KeyError: 3")}
    job.log.unlink()
    assert job_states([job], tmp_path) == {job: JobState("failed", "exit code 1")}


def test_a_long_log_is_read_at_its_end(tmp_path, monkeypatch):
    says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    ended(job, 2, *["error: of another time"] * 10**5, *["x" * 99] * 10**4, "error: the last")
    assert job_states([job], tmp_path) == {job: JobState("failed", "the last")}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"exit_code": null}'])
def test_a_job_whose_word_is_damaged_has_said_nothing(tmp_path, monkeypatch, content):
    says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    job.outcome.write_text(content)
    assert job_states([job], tmp_path) == {job: JobState("stopped", "cancelled or killed")}


@pytest.mark.parametrize(
    ("code", "printed", "reason"),
    [
        (2, ["warning: old", "error: --lr=x: must be a number"], "--lr=x: must be a number"),
        (2, ["error: first", "error: last", "to go on: python open_lth.py train"], "last"),
        (1, ["Traceback (most recent call last):", "KeyError: 3", ""], "KeyError: 3"),
        (1, [], "exit code 1"),
        (137, ["warning: memory"], "ended by SIGKILL"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(code, printed, reason):
    assert reason_of(code, printed) == reason


def test_slurm_is_asked_once_about_all_others(tmp_path, monkeypatch):
    asked = says(monkeypatch, "12_0|RUNNING|None\n12_1|PENDING|Priority\n", sacct="14|NODE_FAIL\n")
    jobs = record(tmp_path, *((job, f"run_{job}", 0) for job in ("12_0", "12_1", "13", "14")))
    assert [state.word for state in job_states(jobs, tmp_path).values()] == ["running", "queued", "stopped", "failed"]
    assert [line.rpartition("--jobs=")[2] for line in asked] == ["12,13,14", "13,14"]


def test_without_accounting_a_job_that_left_no_trace_counts_as_stopped(tmp_path, monkeypatch):
    says(monkeypatch, "")
    [job] = record(tmp_path, ("12", RUN, 0))
    assert job_states([job], tmp_path) == {job: JobState("stopped", "cancelled or killed")}


def test_a_record_is_read_as_it_was_written(tmp_path):
    folder = new_folder(tmp_path)
    outputs = frozenset([Output(RUN, 0), Output("other", 3)])
    jobs = [
        SubmittedJob("1_0", "a", ("lottery", "--lr=1"), outputs, folder),
        SubmittedJob("1_1", "b", (), outputs, folder),
    ]
    write_record(folder, ["reproduce"], jobs)
    assert read_records(tmp_path) == jobs


def test_a_damaged_record_is_named(tmp_path):
    folder = new_folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "submission.json").write_text('{"jobs": [{"id": 3}]}')
    with pytest.raises(UnreadableFile, match="is no record of a submission; delete it to have its jobs forgotten"):
        read_records(tmp_path)


def test_the_list_shows_what_is_not_done_and_counts_the_rest(tmp_path, monkeypatch):
    says(monkeypatch, "14|RUNNING|None\n")
    other = "lottery_1/replicate_2/level_10/lottery_branch_shuffle_0"
    jobs = record(tmp_path, ("12", RUN, 0), ("13", other, 0), ("14", other, 0), ("15", "train_2/replicate_1/main", 0))
    made(tmp_path)
    ended(jobs[1], 2, "error: the node was on fire")
    ended(jobs[3], 2, "error: no such data set")
    listing = list_jobs(tmp_path)
    assert listing.rows == [  # 14 makes up for 13
        ("14", "running", "lottery_1", "2", "level_10/lottery_branch_shuffle_0", "lottery 14", ""),
        ("15", "failed", "train_2", "1", "main", "lottery 15", "no such data set"),
    ]
    assert listing.done == 1


def test_levels_are_listed_by_number(tmp_path, monkeypatch):
    says(monkeypatch, "")
    folder = new_folder(tmp_path)
    outputs = frozenset(Output(f"lottery_0/replicate_1/level_{level}/main", 0) for level in range(12))
    write_record(folder, [], [SubmittedJob("12", "lottery", ("lottery",), outputs, folder)])
    assert list_jobs(tmp_path).rows[0][4] == "12, from level_0/main to level_11/main"
