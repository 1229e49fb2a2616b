"""A page's blocks in one real bash session, whose commands come back here to be tested.

Bash itself expands variables, loops, pipes and functions. It finds no program but a few that only read or copy files in
the session's own directory; of any other it hands the words to this process (`command_not_found_handle`, over a
socket), which tests the command and says what it printed and how it ended.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.datasets.sources import test_arrays, test_folder
from tests.docs.blocks import PROJECT, Block
from tests.docs.commands import Outcome, Untested, tested

TOOLS = (
    "bash",
    "cat",
    "cp",
    "cut",
    "grep",
    "head",
    "ls",
    "mkdir",
    "sed",
    "sleep",
    "sort",
    "tail",
    "tee",
    "wc",
    "xargs",
)
PATIENCE = 300
OLDEST_BASH = (4, 1)  # what macOS has is older, and can neither hand commands back nor open a connection for itself

READABLE = ("bayesian", "benchmarks", "docs")

_PRELUDE = r"""
command_not_found_handle() {
    local connection code line
    exec {connection}<>"/dev/tcp/127.0.0.1/$PAGE_PORT" || return 1
    printf '%s\0' "$#" "$PWD" "${OPEN_LTH_ROOT-}" "${OPEN_LTH_DATASETS-}" "$@" >&"$connection"
    IFS= read -r code <&"$connection"
    while IFS= read -r line <&"$connection"; do printf '%s\n' "$line"; done
    exec {connection}>&-
    return "$code"
}
export -f command_not_found_handle
"""
_BLOCK = "__block"


@dataclass
class Session:
    """What came of a page's commands.

    Args:
        outcomes: each command as the shell expanded it, with the block that it stands in.
        complaints: what went wrong, a line each.
    """

    outcomes: list[tuple[str, tuple[str, ...], Outcome]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def count(self, how: str) -> int:
        """Return how many commands were tested in a way."""
        return sum(outcome.how == how for _, _, outcome in self.outcomes)


class Shell:
    """Runs blocks in a directory of their own, which is also the home.

    Args:
        test: from the words of a command, the mode of its block and the working directory to what becomes of it.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, test=tested) -> None:
        if bash_version() < OLDEST_BASH:
            pytest.skip("needs bash 4.1 or newer")
        self._home, self._monkeypatch, self._test = home, monkeypatch, test
        self._session, self._blocks, self._block = Session(), list[Block](), -1

    def run(self, blocks: Sequence[Block]) -> Session:
        """Run blocks one after the other in one session."""
        self._blocks = [block for block in blocks if self._is_shell(block)]
        script = self._home / "page.sh"
        script.write_text(
            _PRELUDE + "".join(f"{_BLOCK} {number}\n{block.code}\n" for number, block in enumerate(self._blocks))
        )
        self._make_home()
        with socket.create_server(("127.0.0.1", 0)) as server, (self._home / "errors").open("w+") as errors:
            server.settimeout(0.05)
            environment = {
                "PATH": str(self._home / "bin"),
                "HOME": str(self._home),
                "LC_ALL": "C.UTF-8",
                "PAGE_PORT": str(server.getsockname()[1]),
            }
            with subprocess.Popen(
                [str(self._home / "bin" / "bash"), str(script)],
                cwd=self._home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            ) as process:
                try:
                    self._serve(server, process)
                finally:
                    process.kill()
            errors.seek(0)
            self._session.complaints += [f"the shell says: {line}" for line in errors.read().splitlines()]
        return self._session

    def _is_shell(self, block: Block) -> bool:
        """Check a block's syntax, and return whether there is more to test."""
        checked = subprocess.run(["bash", "-n"], input=block.code, capture_output=True, text=True, check=False)
        if checked.returncode or checked.stderr:
            self._session.complaints.append(f"{block}: {checked.stderr.strip()}")
        return not checked.returncode and block.mode != "syntax"

    def _make_home(self) -> None:
        test_folder.write(self._home / "my_images")  # data of the reader's own
        test_arrays.write(self._home / "my_arrays.npz")
        (self._home / "bin").mkdir()
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self._home / "bin" / tool).symlink_to(found)
        for name in READABLE:
            (self._home / name).symlink_to(PROJECT / name)
        activate = self._home / ".venv" / "bin" / "activate"
        activate.parent.mkdir(parents=True)
        activate.touch()
        for folder in ("scripts", ".ci"):
            (self._home / folder).mkdir()
            for script in (PROJECT / folder).iterdir():
                stand_in = self._home / folder / script.name
                stand_in.write_text(f'#!{self._home}/bin/bash\ncommand_not_found_handle {folder}/{script.name} "$@"\n')
                stand_in.chmod(0o755)

    def _serve(self, server: socket.socket, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None:
            if time.monotonic() > deadline:
                self._session.complaints.append(f"{self._blocks[self._block]}: still running after {PATIENCE} s")
                return
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            with connection, connection.makefile("rwb") as stream:
                count, *context = (_word(stream) for _ in range(4))
                words = tuple(_word(stream) for _ in range(int(count)))
                if words[0] == _BLOCK:
                    self._block = int(words[1])
                    code, out = 0, ""
                else:
                    code, out = self._outcome(words, context)
                stream.write(f"{code}\n{out}".encode())

    def _outcome(self, words: tuple[str, ...], context: Sequence[str]) -> tuple[int, str]:
        block = self._blocks[self._block]
        directory, root, dataset_root = context
        environment = {"HOME": str(self._home), "OPEN_LTH_ROOT": root, "OPEN_LTH_DATASETS": dataset_root}
        before = Path.cwd()
        os.chdir(directory)
        try:
            with self._monkeypatch.context() as patch:
                for name, value in environment.items():
                    patch.setenv(name, value)
                outcome = self._test(words, block.mode, Path(directory))
        except Untested as reason:
            self._session.complaints.append(f"{block}: {reason}")
            return 1, ""
        finally:
            os.chdir(before)
        self._session.outcomes.append((str(block), words, outcome))
        if outcome.code:
            self._session.complaints.append(f"{block}: {' '.join(words)} ended with {outcome.code}: {outcome.err}")
        return outcome.code, outcome.out


def bash_version() -> tuple[int, ...]:
    """Return the version of bash, or () if there is none."""
    if shutil.which("bash") is None:
        return ()
    text = subprocess.run(["bash", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"version (\d+)\.(\d+)", text)[0]))


def _word(stream) -> str:
    letters = bytearray()
    while (letter := stream.read(1)) not in (b"\0", b""):
        letters += letter
    return letters.decode()
