from __future__ import annotations

import errno
import fcntl
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundations.lock import RunIsLocked, exclusive

PROJECT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from foundations.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_by_name_and_let_in_once_the_first_was_killed(holder, tmp_path):
    with pytest.raises(RunIsLocked) as caught, exclusive(tmp_path / "run"):
        pytest.fail("two processes hold one lock")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'run'}: in use by process {holder.pid} on {platform.node()} since 20")
    assert "\n" not in message

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    refused = pytest.raises(RunIsLocked, match=f"process {os.getpid()} on")
    with exclusive(tmp_path / "run"), refused, exclusive(tmp_path / "run"):
        pytest.fail("the lock was not taken over from the process that died")


def test_a_refusal_leaves_the_holders_name_for_the_next_who_asks(tmp_path):
    with exclusive(tmp_path):
        for _ in range(3):
            with pytest.raises(RunIsLocked, match=f"process {os.getpid()} on"), exclusive(tmp_path):
                pytest.fail("two hold one lock")


def test_the_lock_is_free_after_the_block_and_after_an_error_inside_it(tmp_path):
    with exclusive(tmp_path / "a" / "run"):
        pass
    with pytest.raises(RuntimeError, match="inside"), exclusive(tmp_path / "a" / "run"):
        raise RuntimeError("inside")
    with exclusive(tmp_path / "a" / "run"):
        names = {path.name for path in (tmp_path / "a" / "run").iterdir()}
    assert names == {".lock", ".lock_holder.json"}
    assert {path.name for path in (tmp_path / "a" / "run").iterdir()} <= {".lock"}


def test_different_directories_are_locked_apart(tmp_path):
    with exclusive(tmp_path / "level_0"), exclusive(tmp_path / "level_1"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 3}', "null"])
def test_a_damaged_note_about_the_holder_does_not_hide_that_the_run_is_locked(tmp_path, content):
    with exclusive(tmp_path):
        (tmp_path / ".lock_holder.json").write_text(content)
        with pytest.raises(RunIsLocked, match="in use by another process"), exclusive(tmp_path):
            pytest.fail("two hold one lock")


@pytest.mark.filterwarnings("ignore:flock not supported")  # filelock's own, about ENOSYS
@pytest.mark.parametrize("reason", ["ENOSYS", "EOPNOTSUPP", "ENOLCK", "EINVAL"])
def test_a_file_system_without_flock_gets_a_marker_file(reason, tmp_path, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(getattr(errno, reason), os.strerror(getattr(errno, reason)))

    monkeypatch.setattr(fcntl, "flock", flock)
    refused = pytest.raises(RunIsLocked, match=f"process {os.getpid()} on")
    with exclusive(tmp_path / "run"), refused, exclusive(tmp_path / "run"):
        pytest.fail("two hold one lock")
    with exclusive(tmp_path / "run"):
        pass


def test_other_failures_of_the_lock_are_not_hidden(tmp_path, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), exclusive(tmp_path / "run"):
        pytest.fail("held without a lock")
