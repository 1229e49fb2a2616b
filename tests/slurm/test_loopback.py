"""The script that starts a Slurm of one node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.slurm.loopback import SCRIPT, Loopback, asked, until


def processes(folder: Path) -> set[int]:
    """Return the processes that were started with a folder's configuration."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            content = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if str(folder).encode() in content:
            found.add(int(process.name))
    return found


def test_starting_twice_is_starting_once_and_stopping_leaves_nothing(loopback, tmp_path, monkeypatch):
    other = Loopback(tmp_path / "other")  # beside the one that runs already
    other.folder.mkdir()
    monkeypatch.setenv("SLURM_CONF", str(other.configuration))
    try:
        other.start()
        started = {path.name: path.read_text() for path in (other.folder / "run").glob("*.pid")}
        other.start()
        assert {path.name: path.read_text() for path in (other.folder / "run").glob("*.pid")} == started
        assert set(started) == {"munged.pid", "slurmctld.pid", "slurmd.pid"}
        asked("sbatch", "--output=/dev/null", "--wrap=sleep 1000")
        until(lambda: "RUNNING" in asked("squeue", "--noheader", "--format=%T"))
        monkeypatch.delenv("SLURM_CONF")
        assert processes(other.folder) > {int(pid) for pid in started.values()}
    finally:
        other.stop()
    until(lambda: not processes(other.folder), patience=10, what=lambda: str(processes(other.folder)))


@pytest.mark.parametrize("words", [(), ("start",), ("restart", "x"), ("start", "x", "y")])
def test_a_wrong_call_ends_in_one_line(words, tmp_path):
    done = subprocess.run(["bash", SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    usage = "error: usage: scripts/slurm_loopback start DIR | stop DIR\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", usage)
    assert not list(tmp_path.iterdir())
