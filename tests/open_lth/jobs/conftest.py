"""Jobs whose commands are lines of Python instead of the project's: their processes start in no time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from open_lth.jobs import Job, JobsRunner

SCRIPT = """
import json, os, signal, sys, time

def report(run, done, total, text=""):
    line = json.dumps({"run": run, "done": done, "total": total, "text": text})
    os.write(int(os.environ["OPEN_LTH_REPORT_TO"]), line.encode() + b"\\n")

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)

def touch(path):
    open(path, "w").close()

for line in sys.argv[1:]:
    exec(line)
"""
PROGRAM = (sys.executable, "-c", SCRIPT)


def job(label: str, *lines: str, iterations: int = 0, is_done: bool = False, after: tuple[Job, ...] = ()) -> Job:
    """Return a job of lines of Python."""
    return Job(label, lines, iterations, is_done, after)


def run(*jobs: Job, at_most: int = 2, quiet: bool = False) -> None:
    """Run jobs."""
    JobsRunner(jobs, at_most, PROGRAM, quiet).run()


class Jobs:
    """What tests need of this file, as one fixture."""

    job: Callable[..., Job] = staticmethod(job)
    run: Callable[..., None] = staticmethod(run)
    program = PROGRAM


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Jobs that run in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return Jobs()
