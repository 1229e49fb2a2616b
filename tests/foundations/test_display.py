"""Streams that go away, or lack letters, end nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from foundations.display import LastingStream

PROJECT = Path(__file__).parents[2]
PROGRAM = (
    "import os, sys; from foundations.display import let_streams_last; let_streams_last()\n"
    "for number in range(20_000):\n    print('σ', number, flush=number % 7 == 0)\n"
    "print('also here', file=sys.stderr)\nopen(sys.argv[1], 'w').write('done')\n"
)


class Broken:
    """A stream whose reader has left."""

    encoding = "utf-8"

    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise OSError(5, "Input/output error")

    def fileno(self):
        raise ValueError


def test_what_cannot_be_written_is_dropped():
    stream = LastingStream(Broken())
    assert stream.write("text") == 4
    stream.flush()
    assert stream.encoding == "utf-8"
    print("more", file=stream)


@pytest.mark.parametrize("redirection", ["| head -n 1", "> /dev/full", ">&-", "2>&-", ">&- 2>&-", "2> /dev/full"])
def test_a_program_goes_on_to_its_end_without_complaint(tmp_path, redirection):
    done = tmp_path / "done"
    command = f'"{sys.executable}" -c "$PROGRAM" "{done}" {redirection}'
    environment = {**os.environ, "PROGRAM": PROGRAM, "PYTHONPATH": str(PROJECT)}
    outcome = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (outcome.returncode, done.read_text()) == (0, "done")
    assert outcome.stderr in ("", "also here\n")


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", r"\u03c3"), ("ascii", r"\u03c3"), ("utf-8", "σ")])
def test_letters_that_a_stream_lacks_are_escaped(tmp_path, encoding, text):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(PROJECT)}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "done")], capture_output=True, env=environment, timeout=60
    )
    assert found.stdout.decode(encoding).splitlines()[1] == f"{text} 1"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\x07b\x9b2Jc\x00", "a\\x07b\\x9b2Jc\\x00"),
        ("σ, é\tand\r\n", "σ, é\tand\r\n"),
        ("\x1b[A\x1b[A", "\x1b[A\x1b[A"),  # progress bars go back up, by themselves
        ("name\x1b[A", "name\\x1b[A"),
    ],
)
def test_what_would_control_a_terminal_is_written_out(written, seen):
    under = io.StringIO()
    LastingStream(under).write(written)
    assert under.getvalue() == seen
