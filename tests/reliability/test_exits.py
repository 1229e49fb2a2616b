"""Processes that have trained a network together end in order, whatever else the machine does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.parallel.conftest import LENET, PROJECT, TORCHRUN

WORDS = ("train", *LENET, "--training_steps=1ep", "--quiet")


def test_three_processes_whose_work_is_done_end_with_0(workplace, tries, tally):
    count, lost = tries(1, 200), []
    places = (f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}")
    for _ in range(count):
        done = subprocess.run(
            [sys.executable, *TORCHRUN, "--nproc_per_node=3", str(PROJECT / "open_lth.py"), *WORDS, *places],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode != 0 or not list(workplace.root.glob("*/replicate_1/main/logger")):
            lost.append(done.stdout + done.stderr)
        shutil.rmtree(workplace.root)
    tally(count, len(lost))
    assert not lost, lost[0]
