"""The process of a job's command, with real processes and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from open_lth.cluster.process import CommandProcess
from tests.slurm.loopback import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs of Slurm run on Linux")

SAVING = """
import pathlib, signal, sys, time
def save(*_):
    time.sleep({seconds})
    sys.stderr.write("stopped by SIGTERM\\n")
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
pathlib.Path({mark!r}).touch()
time.sleep(100)
"""


@pytest.fixture
def saving(tmp_path):
    """Start a process that takes some time to save when it is told to stop."""

    def start(seconds: float) -> CommandProcess:
        mark = tmp_path / "ready"
        code = SAVING.format(seconds=seconds, mark=str(mark))
        process = CommandProcess([sys.executable, "-c", code], signal.SIGUSR2)
        until(mark.exists)
        return process

    return start


def test_the_exit_code_and_the_last_lines_are_kept_and_passed_on(capfd):
    code = "import sys; print('to the log'); sys.stderr.write('warning: x\\nerror: y\\n'); sys.exit(3)"
    assert CommandProcess([sys.executable, "-c", code], signal.SIGUSR2).wait() == (3, ["warning: x", "error: y"])
    out, err = capfd.readouterr()
    assert (out, err) == ("to the log\n", "warning: x\nerror: y\n")


def test_much_that_is_said_is_passed_on_whole_and_its_end_is_kept(capfd):
    code = (
        "import sys; sys.stderr.write('x' * 99 + '\\n') and [sys.stderr.write('y' * 99 + '\\n') for _ in range(9999)]"
    )
    exit_code, lines = CommandProcess([sys.executable, "-c", code], signal.SIGUSR2).wait()
    assert (exit_code, lines[-1]) == (0, "y" * 99)
    assert len(capfd.readouterr().err) == 100 * 10000


def test_a_process_that_says_nothing_more_is_waited_for_all_the_same():
    code = "import os, time; os.close(2); time.sleep(0.5); os._exit(7)"
    assert CommandProcess([sys.executable, "-c", code], signal.SIGUSR2).wait() == (7, [])


def test_it_is_asked_to_stop_and_waited_for(saving, capfd):
    process = saving(0.3)
    assert process.stop(patience=60)
    assert process.wait() == (75, ["stopped by SIGTERM"])


def test_waiting_has_an_end(saving):
    process = saving(60)
    began = time.monotonic()
    assert not process.stop(patience=0.5)
    assert time.monotonic() - began < 10
    os.kill(process._process.pid, signal.SIGKILL)
    assert process.wait()[0] == -signal.SIGKILL


def test_a_process_that_has_ended_needs_no_stopping():
    process = CommandProcess([sys.executable, "-c", ""], signal.SIGUSR2)
    process.wait()
    assert process.stop(patience=0)


def test_the_signal_for_the_job_does_not_end_the_command_which_gets_it_as_well(saving, capfd):
    process = saving(0)
    os.kill(process._process.pid, signal.SIGUSR2)
    time.sleep(0.2)
    assert not process.has_ended
    assert process.stop(patience=60)
    assert process.wait()[0] == 75


def test_a_handler_may_stop_the_process_while_it_is_waited_for(tmp_path):
    # What submitit does: its handler runs the job's checkpoint amid the job's function.
    script = f"""
import signal, sys, threading, os
sys.path[:0] = {[os.getcwd()]!r}
from open_lth.cluster.process import CommandProcess
code = {SAVING.format(seconds=0.2, mark=str(tmp_path / "ready"))!r}
process = CommandProcess([sys.executable, "-c", code], signal.SIGUSR2)
def checkpoint(*_):
    print(process.stop(30), flush=True)
    sys.exit(0)
signal.signal(signal.SIGUSR2, checkpoint)
process.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as job:
        until((tmp_path / "ready").exists)
        job.send_signal(signal.SIGUSR2)
        out, _ = job.communicate(timeout=60)
    assert (job.returncode, out) == (0, "True\n")
