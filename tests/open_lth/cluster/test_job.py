"""What a job runs, and what it says when that fails."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from open_lth.cluster.job import CommandJob, command_line, reason_of

PROGRAM = ("/usr/bin/python3", "/project/cli.py")
WORDS = ("train", "--lr=1")


@pytest.mark.parametrize("gpus", [None, 1])
def test_a_job_runs_the_command_in_one_process(gpus):
    assert command_line(PROGRAM, WORDS, gpus) == (*PROGRAM, "train", "--lr=1")


def test_on_several_gpus_a_job_runs_a_process_for_each():
    assert command_line(PROGRAM, WORDS, 4) == (
        "/usr/bin/python3", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4",
        "/project/cli.py", "train", "--lr=1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "errors", "reason"),
    [
        (2, ["warning: old", "error: --lr=x: must be a number"], "--lr=x: must be a number"),
        (2, ["error: first", "error: last", "to go on: python open_lth.py train"], "last"),
        (1, ["Traceback (most recent call last):", "KeyError: 3"], "KeyError: 3"),
        (1, [], "exit code 1"),
        (-9, ["warning: memory"], "ended by SIGKILL"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(code, errors, reason):
    assert reason_of(code, errors) == reason


def test_a_job_is_unpickled_without_torch():
    # Thousands of jobs may start at once from one file system.
    pickled = pickle.dumps(CommandJob(command_line(PROGRAM, WORDS, 2), 30.0))
    code = f"import pickle, sys; job = pickle.loads({pickled!r}); print(job.patience, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "30.0 False\n"
