"""What torchrun starts in the tests: commands, one after the other, in processes that keep a record of what they do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist

import cli
import foundations.rendezvous
import training.saving
import training.step
from foundations.ranks import Ranks

RANK = int(os.environ["RANK"])


def record(place: Path, **what: Any) -> None:
    """Add a line to this rank's record."""
    with (place / f"rank_{RANK}.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


def record_checks(place: Path) -> None:
    """Record what ranks compare: masks and weights, by their digests."""
    check = Ranks.check_same

    def checked(ranks: Ranks, what: str, digest: str) -> None:
        record(place, check=what, digest=digest)
        check(ranks, what, digest)

    Ranks.check_same = checked  # type: ignore[method-assign]


def record_writes(place: Path, root: str) -> None:
    """Record every file below the root that is opened to be written, renamed or made."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.mkdir", "os.remove") and str(arguments[0]).startswith(root):
            record(place, wrote=str(arguments[0]))
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and str(arguments[0]).startswith(root):
            record(place, wrote=str(arguments[0]))

    sys.addaudithook(audit)


def signal_at(event: Mapping[str, int]) -> None:
    """Let a rank send itself a signal before a training step."""
    step, counts = training.step.TrainingStep.take, iter(range(10**9))

    def stepping(*args: Any) -> None:
        if next(counts) == event["step"] and event["rank"] == RANK:
            os.kill(os.getpid(), event["signal"])
        step(*args)

    training.step.TrainingStep.take = stepping


def main(commands: Sequence[Sequence[str]], event: Mapping[str, int] | None, place: Path, root: str) -> int:
    """Run the commands and return the last one's exit code."""
    training.saving.EPOCH_SECONDS = 0.0  # epochs take milliseconds
    record_checks(place)
    record_writes(place, root)
    if event:
        signal_at(event)
    # The processes stay together from command to command.
    ranks, close = foundations.rendezvous.join_ranks(10), Ranks.close
    foundations.rendezvous.join_ranks = lambda minutes: ranks
    Ranks.close = lambda _: None  # type: ignore[method-assign]
    code = 0
    for words in commands:
        code = cli.main(list(words))
        record(place, code=code)
    if code == 0:
        close(ranks)
        record(place, connected=dist.is_initialized())
    return code


if __name__ == "__main__":
    place = Path(os.environ["TOGETHER"])
    task = json.loads((place / "task.json").read_text())
    code = main(task["commands"], task["event"], place, task["root"])
    sys.stdout.flush()
    os._exit(code)  # as the program ends
