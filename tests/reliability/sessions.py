"""What the reliability tests run again and again: a small experiment from its first command to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foundations.checksum import open_checked
from foundations.errors import UserError
from foundations.storage import load_tensors, read_json, read_text
from pruning import Mask
from tests.open_lth.running import KINDS, LENET, results
from tests.reliability.processes import Command
from training import MetricLogger

LEVEL_1 = ("--levels=1",)
COMMANDS = (
    ("lottery", *LEVEL_1),
    ("lottery_branch", "shuffle", "--seed=0", *LEVEL_1),
    ("evaluate", "lottery", "--passes=2", *LEVEL_1),
)


@dataclass(frozen=True)
class Session:
    """A lottery of two levels, a branch off the second, and an evaluation of both levels.

    Args:
        kind: of network, by the name of its flags in `KINDS`.
        place: a directory for everything.
    """

    kind: str
    place: Path

    @property
    def root(self) -> Path:
        """Where results go."""
        return self.place / "results"

    def commands(self) -> Iterator[tuple[str, ...]]:
        """Iterate over the commands, in their order."""
        for words in COMMANDS:
            yield (*words, *LENET, *KINDS[self.kind], f"--root={self.root}", f"--dataset_root={self.place / 'data'}")

    def run(self) -> list[float]:
        """Run every command to its end, and return how many seconds each took."""
        with Command(("--help",), self.place) as command:
            command.wait()  # the first process of all starts the server that the others come from
        return [self._run(words) for words in self.commands()]

    def _run(self, words: Sequence[str]) -> float:
        began = time.monotonic()
        with Command(words, self.place) as command:
            ended = command.wait()
        assert (ended.code, ended.err) == (0, ""), ended
        return time.monotonic() - began

    def results(self) -> dict[str, bytes]:
        """Return what the commands made, bit by bit."""
        return results(self.root) | {str(p.relative_to(self.root)): p.read_bytes() for p in self.root.rglob("ev*.json")}

    def unreadable(self) -> list[str]:
        """Return what is wrong with its files, half-written temporary ones aside."""
        return [problem for path in self.root.rglob("*") for problem in _problems(path)]

    def leftovers(self) -> list[Path]:
        """Return temporary files that nobody has swept."""
        return list(self.root.rglob("*.tmp"))


def _problems(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".pth":
            load_tensors(path)
        if path.name == "mask.pth":
            Mask.load(path)
        if path.name == "logger":
            MetricLogger.load(path)
        if path.suffix == ".json" and not path.name.startswith("."):
            read_json(path)
        if path.suffix == ".log":
            read_text(path)
        if path.is_file() and not path.name.startswith("."):
            open_checked(path)[0].close()
    except UserError as error:
        yield str(error)
