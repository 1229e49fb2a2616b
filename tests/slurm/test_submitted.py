"""Commands submitted to a real Slurm, to their end."""

from __future__ import annotations

import json
import re

import pytest

from tests.open_lth.running import LENET, Workplace, results
from tests.slurm.loopback import asked, runs_of

WORDS = (*LENET, "--threads=1")


def test_a_lottery_and_branches_that_wait_for_it_have_the_bits_of_a_local_run(submit, workplace, tmp_path):
    lottery = submit("lottery", "--levels=1", *WORDS, "--slurm_time=30", "--slurm_gpus=1", "--slurm_cpus=1")
    branches = submit("lottery_branch", "shuffle", "--levels=0-1", "--seed=0", *WORDS, "--slurm_extra=comment=mine")
    assert (len(lottery.jobs), len(branches.jobs)) == (1, 2)
    assert {job.partition("_")[2] for job in branches.jobs} == {"0", "1"}  # one array
    assert f"afterok:{lottery.jobs[0]}" in asked("squeue", "--noheader", "--format=%E", f"--jobs={branches.jobs[0]}")
    described = asked("scontrol", "show", "job", lottery.jobs[0])
    assert "TimeLimit=00:30:00" in described and "gres:gpu:1" in described and "Requeue=1" in described

    listed = runs_of(workplace)
    assert re.search(rf"^{lottery.jobs[0]} +(queued|running) +lottery_\w+ +1 +2, from level_0/main to ", listed, re.M)
    assert re.search(rf"^{branches.jobs[0]} +queued +lottery_\w+ +1 +level_0/lottery_branch_\w+  ", listed, re.M)
    assert submit("lottery", "--levels=1", *WORDS).queued == lottery.jobs
    assert submit("lottery", "--levels=0", *WORDS).queued == lottery.jobs  # which that job makes as well

    lottery.wait()
    branches.wait()
    local = Workplace(tmp_path / "local", workplace.dataset_root)
    local.done("lottery", "--levels=1", *WORDS, "--quiet")
    local.done("lottery_branch", "shuffle", "--levels=0-1", "--seed=0", *WORDS, "--quiet")
    assert results(workplace.root) == results(local.root), lottery.logs() + branches.logs()
    assert "level_1/main  test  ep 2" in lottery.log(lottery.jobs[0])
    assert [lottery.exit_code(job) for job in lottery.jobs] == [0]
    assert runs_of(workplace).endswith("\n3 submitted jobs are done\n")
    [command] = workplace.root.glob("*/replicate_1/level_0/main/command.json")
    assert not [
        word for word in json.loads(command.read_text())["command"] if word.startswith(("--slurm", "--platform"))
    ]
    assert workplace.run("lottery", "--levels=1", *WORDS, "--platform=slurm").out == "everything is done already\n"


@pytest.mark.smoke
def test_a_command_that_fails_in_its_job_says_why(submit, workplace):
    damaged = workplace.place("train", *WORDS) / "checkpoint.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no checkpoint")
    job = submit("train", *WORDS)
    job.wait()
    assert job.exit_code(job.jobs[0]) == 2
    assert f"error: {damaged}" in job.log(job.jobs[0])
    row = rf"^{job.jobs[0]} +failed +train_\w+ +1 +main +train +{re.escape(str(damaged))}"
    assert re.search(row, runs_of(workplace), re.MULTILINE)


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--slurm_partition=none", "invalid partition specified: none"),
        ("--slurm_extra=unheard-of=1", "unrecognized option '--unheard-of=1'"),
        ("--slurm_gpus=9", "Batch job submission failed: Requested node configuration is not available"),
    ],
)
def test_what_slurm_refuses_comes_out_in_one_line(slurm, workplace, flag, complaint):
    line = workplace.refused("train", *WORDS, "--platform=slurm", flag)
    assert line.startswith(f"error: --platform=slurm: {complaint}"), line
    assert not asked("squeue", "--noheader")
    assert not list(workplace.root.glob("slurm/*/"))
