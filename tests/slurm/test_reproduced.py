"""A whole small reproduction on a real Slurm: arrays, dependencies, and one experiment that fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.open_lth.commands.test_reproduce import dry_run, written
from tests.slurm.loopback import asked, runs_of

HOW = ("--threads=1",)


@pytest.fixture
def scale(tmp_path: Path) -> str:
    return f"--scale={written(tmp_path / 'tiny.json')}"


def test_what_fails_takes_only_what_needs_it_along_and_the_same_command_makes_up_for_it(submit, workplace, scale):
    trunk, bayesian, _ = dry_run(workplace, scale)
    damaged = workplace.place(*trunk) / "level_0" / "main" / "mask.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no mask")

    submission = submit("reproduce", scale, *HOW, "--slurm_time=10", "--slurm_parallel=1")
    lottery, other, transplant = submission.jobs
    assert (lottery.partition("_")[2], other.partition("_")[2]) == ("0", "1")
    assert f"afterok:{lottery}(" in asked("squeue", "--noheader", "--format=%E", f"--jobs={transplant}")
    again = submit("reproduce", scale, *HOW)
    assert (again.jobs, again.queued) == ([], submission.jobs)
    submission.wait()
    states = {line.split()[0]: line for line in runs_of(workplace).splitlines() if re.match(r"\d+(_\d+)? ", line)}
    assert re.search(
        rf" failed .* lottery: LeNet, deterministic, replicate 1 +{re.escape(str(damaged))}", states[lottery]
    )
    assert " stopped " in states[transplant]
    assert other not in states  # done
    assert list(workplace.place(*bayesian).glob("level_1/main/logger"))

    damaged.unlink()
    repeated = submit("reproduce", scale, *HOW)
    assert len(repeated.jobs) == 2
    repeated.wait()
    assert list(workplace.root.glob("*/replicate_1/level_1/lottery_branch_transplant_*/logger")), repeated.logs()
    assert "failed" not in runs_of(workplace)
    assert workplace.run("reproduce", scale, *HOW, "--platform=slurm").out == "everything is done already\n"
