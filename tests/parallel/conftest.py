"""Commands under torchrun, on the CPU, and what each rank recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.one_thread import one_thread  # noqa: F401 - for every test here
from tests.open_lth.running import Workplace

TORCHRUN = ("-m", "torch.distributed.run", "--standalone")
PROJECT = Path(__file__).parent.parent.parent
LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_steps=2ep")
"""Six iterations an epoch, the last of 157 examples; 360 test images are one evaluation batch, so rank 1 has none."""


@dataclass(frozen=True)
class Together:
    """What ranks did.

    Args:
        code: torchrun's exit code.
        output: what was printed.
        records: each rank's record.
    """

    code: int
    output: str
    records: list[list[dict[str, Any]]]

    def all(self, what: str) -> list[list[Any]]:
        """Return what each rank recorded under a name."""
        return [[line[what] for line in record if what in line] for record in self.records]

    @property
    def codes(self) -> list[list[int]]:
        """The exit codes of each rank's commands."""
        return self.all("code")

    def digests(self, of: str) -> list[list[str]]:
        """Return the digests that each rank compared, of masks or weights."""
        return [[line["digest"] for line in record if line.get("check", "").endswith(of)] for record in self.records]


def run_together(
    place: Path,
    workplace: Workplace,
    *commands: Sequence[str],
    processes: int = 2,
    event: Mapping[str, int] | None = None,
) -> Together:
    """Run commands under torchrun, in processes that live through all of them.

    Args:
        event: a signal that a rank sends itself: `rank`, `step` and `signal`.
    """
    place.mkdir(parents=True)
    places = (f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}")
    task = {"commands": [[*words, *places] for words in commands], "event": event, "root": str(workplace.root)}
    (place / "task.json").write_text(json.dumps(task))
    done = subprocess.run(
        [sys.executable, *TORCHRUN, f"--nproc_per_node={processes}", "-m", "tests.parallel.together"],
        cwd=PROJECT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), "TOGETHER": str(place)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    records = [(place / f"rank_{rank}.jsonl").read_text().splitlines() for rank in range(processes)]
    return Together(done.returncode, done.stdout + done.stderr, [[*map(json.loads, lines)] for lines in records])


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Together]:
    """Run commands under torchrun."""

    def run(workplace: Workplace, *commands: Sequence[str], **how: Any) -> Together:
        return run_together(tmp_path_factory.mktemp("together") / "place", workplace, *commands, **how)

    return run


@pytest.fixture(scope="module")
def new_workplace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workplace]:
    """Make a root for results."""
    return lambda: Workplace(tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("datasets"))
