"""What sbatch is given, and what the script does in a job: with real processes and signals, and stand-ins for Slurm."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundations.errors import UserError
from open_lth.cluster.sbatch import batch_script, command_line, sbatch_options, submit_array
from open_lth.flags.slurm import SlurmSettings
from tests.slurm.loopback import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs of Slurm run on Linux")

PROGRAM = ("/usr/bin/python3", "/project/cli.py")
WORDS = ("train", "--lr=1")
SAVING = """
import pathlib, signal, sys, time
def save(*_):
    time.sleep({seconds})
    sys.exit({code})
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(100)
"""


@dataclass(frozen=True)
class Stand:
    """A directory with stand-ins for Slurm's commands, in which a script runs."""

    folder: Path

    def command(self, name: str, *lines: str) -> None:
        """Make a stand-in, which keeps what it was called with."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "\n".join(["#!/bin/bash", f'echo "$@" >>{shlex.quote(str(self.folder))}/{name}.asked', *lines, ""])
        )
        path.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        """Return what a stand-in was called with."""
        path = self.folder / f"{name}.asked"
        return path.read_text().splitlines() if path.exists() else []

    def start(self, *command: str, delay: int = 120, **environment: str) -> subprocess.Popen[str]:
        """Start the script of a job that runs a command."""
        script = batch_script([command], self.folder, SlurmSettings(signal_delay=delay))
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "SLURM_JOB_ID": "7", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def save_in(self, seconds: float, code: int = 75, delay: int = 120) -> subprocess.Popen[str]:
        """Start a job whose command takes some time to save when it is told to stop."""
        job = self.start(sys.executable, "-c", SAVING.format(seconds=seconds, code=code), delay=delay)
        until((self.folder / "ready").exists)
        return job

    @property
    def exit_code(self) -> int | None:
        """What the job says its command ended with by itself."""
        path = self.folder / "7_outcome.json"
        return json.loads(path.read_text())["exit_code"] if path.exists() else None


@pytest.fixture
def stand(tmp_path) -> Stand:
    stand = Stand(tmp_path)
    stand.command("squeue", "echo RUNNING")
    stand.command("scontrol")
    return stand


@pytest.mark.parametrize("gpus", [None, 1])
def test_a_job_runs_the_command_in_one_process(gpus):
    assert command_line(PROGRAM, WORDS, gpus) == (*PROGRAM, "train", "--lr=1")


def test_on_several_gpus_a_job_runs_a_process_for_each():
    assert command_line(PROGRAM, WORDS, 4) == (
        "/usr/bin/python3",
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=4",
        "/project/cli.py",
        "train",
        "--lr=1",
    )


def test_jobs_ask_for_what_the_flags_say_and_can_always_be_requeued():
    settings = SlurmSettings("gpu", 90, 2, 4, "16GB", "me", (("exclusive", None), ("qos", "high")), 100, 3)
    found = sbatch_options(settings, Path("/a %j/logs"), "open_lth.train", "afterok:3", 5)
    assert {"--partition=gpu", "--time=90", "--mem=16GB", "--account=me", "--nodes=1"} <= set(found)
    assert {"--gpus-per-node=2", "--cpus-per-task=4", "--exclusive", "--qos=high", "--requeue"} <= set(found)
    assert {"--signal=B:USR1@100", "--array=0-4%3", "--dependency=afterok:3", "--kill-on-invalid-dep=yes"} <= set(found)
    assert "--output=/a %%j/logs/%A_%a.out" in found and "--open-mode=append" in found


def test_what_no_flag_says_is_left_to_the_cluster():
    found = sbatch_options(SlurmSettings(), Path("/logs"), "open_lth.train", "", 1)
    assert [option.partition("=")[0] for option in found] == [
        "--parsable",
        "--requeue",
        "--job-name",
        "--output",
        "--open-mode",
        "--signal",
        "--time",
        "--nodes",
        "--ntasks-per-node",
    ]
    assert "--output=/logs/%j.out" in found


def test_an_array_is_submitted_at_once_and_what_sbatch_was_given_is_kept(stand, monkeypatch):
    stand.command("sbatch", "echo '12;cluster'")
    monkeypatch.setenv("PATH", f"{stand.folder}/bin:{os.environ['PATH']}")
    jobs = submit_array(
        [WORDS, ("train", "--lr=a b")], PROGRAM, stand.folder / "logs" / "1.sh", SlurmSettings(), "name", ""
    )
    assert jobs == ["12_0", "12_1"]
    [asked] = stand.asked("sbatch")
    script = (stand.folder / "logs" / "1.sh").read_text()
    assert "\n1) command=(/usr/bin/python3 /project/cli.py train '--lr=a b') ;;\n" in script
    assert script.endswith(f"\n# sbatch {asked}\n")


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("echo 'sbatch: error: invalid partition specified: x' >&2; exit 1",), "invalid partition specified: x"),
        (("echo 'Usage: sbatch ...'",), "Usage: sbatch ..."),
        (("exit 1",), "sbatch failed"),
    ],
)
def test_what_sbatch_refuses_comes_out_in_one_line(stand, monkeypatch, lines, complaint):
    stand.command("sbatch", *lines)
    monkeypatch.setenv("PATH", f"{stand.folder}/bin:{os.environ['PATH']}")
    with pytest.raises(UserError) as refused:
        submit_array([WORDS], PROGRAM, stand.folder / "logs" / "1.sh", SlurmSettings(), "name", "")
    assert str(refused.value) == f"--platform=slurm: {complaint}"


def test_a_job_may_submit_jobs_that_do_not_take_over_what_it_was_given_itself(stand, monkeypatch):
    for name, value in (("SLURM_JOB_ID", "3"), ("SLURM_ARRAY_TASK_ID", "9"), ("SLURM_CONF", "/etc/slurm.conf")):
        monkeypatch.setenv(name, value)
    stand.command("sbatch", f"env >{stand.folder}/env; echo 12")
    monkeypatch.setenv("PATH", f"{stand.folder}/bin:{os.environ['PATH']}")
    assert submit_array([WORDS], PROGRAM, stand.folder / "logs" / "1.sh", SlurmSettings(), "name", "") == ["12"]
    names = [line.partition("=")[0] for line in (stand.folder / "env").read_text().splitlines()]
    assert [name for name in names if name.startswith("SLURM_")] == ["SLURM_CONF"]


def test_an_element_of_an_array_runs_its_command(tmp_path, stand):
    commands = [("echo", "first"), ("echo", "the second's $HOME")]
    script = batch_script(commands, tmp_path, SlurmSettings())
    array = {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, **array}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == ["the second's $HOME"]
    assert done.stdout.startswith("job 7_1 begins on ")
    assert json.loads((tmp_path / "7_1_outcome.json").read_text()) == {"exit_code": 0}


def test_a_folder_may_have_any_name(stand):
    folder = stand.folder / "it's $HOME"
    folder.mkdir()
    done = Stand(folder)
    done.command("squeue")
    done.start("true").communicate(timeout=60)
    assert done.exit_code == 0


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_command_that_ends_by_itself_leaves_its_exit_code(stand, code):
    (stand.folder / "7_outcome.json").write_text('{"exit_code": 99}')  # of an earlier start
    job = stand.start("bash", "-c", f"[[ ! -e 7_outcome.json ]] && echo said && echo error >&2 && exit {code}")
    out, _ = job.communicate(timeout=60)
    assert (job.returncode, stand.exit_code) == (code, code)
    assert out.splitlines()[1:] == ["said", "error"]
    assert not stand.asked("scontrol")


def test_a_command_that_a_signal_kills_leaves_that(stand):
    job = stand.start("bash", "-c", "kill -KILL $$")
    job.communicate(timeout=60)
    assert (job.returncode, stand.exit_code) == (137, 137)


def test_a_command_that_asks_for_it_is_started_again(stand):
    job = stand.start("bash", "-c", "exit 75")
    job.communicate(timeout=60)
    assert stand.asked("scontrol") == ["requeue 7"]
    assert stand.exit_code is None


def test_an_element_of_an_array_is_requeued_alone(stand):
    # The last element's job has the number of the whole array.
    job = stand.start("bash", "-c", "exit 75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="0")
    job.communicate(timeout=60)
    assert stand.asked("scontrol") == ["requeue 7_0"]


@pytest.mark.parametrize("code", [75, 1])
def test_before_the_time_limit_the_command_saves_and_the_job_is_requeued(stand, code):
    job = stand.save_in(0.3, code)  # torchrun ends with 1
    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=60)
    assert stand.asked("scontrol") == ["requeue 7"]
    assert stand.exit_code is None


def test_a_command_that_is_done_when_the_limit_nears_is_done(stand):
    job = stand.save_in(0, code=0)
    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=60)
    assert (job.returncode, stand.exit_code) == (0, 0)
    assert not stand.asked("scontrol")


def test_a_command_that_takes_too_long_to_save_is_not_waited_for(stand):
    job = stand.save_in(60, delay=2)
    job.send_signal(signal.SIGUSR1)
    until(lambda: stand.asked("scontrol") == ["requeue 7"], patience=20)
    os.killpg(job.pid, signal.SIGKILL)
    assert "warning: not saved within 1 s; the last checkpoint counts\n" in job.communicate()[0]


def test_a_job_that_slurm_ends_stays_away(stand):
    stand.command("squeue", "echo COMPLETING")
    job = stand.save_in(0.1)
    os.killpg(job.pid, signal.SIGTERM)  # as scancel does
    job.communicate(timeout=60)
    assert job.returncode == 75
    assert stand.exit_code is None and not stand.asked("scontrol")


def test_a_job_whose_script_alone_gets_the_signal_of_the_end_runs_on(stand):
    job = stand.save_in(0)
    job.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert job.poll() is None
    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=60)
    assert stand.asked("scontrol") == ["requeue 7"]
