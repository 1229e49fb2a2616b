"""Weights & Biases: one of its runs for each training run."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from foundations.flags import flag
from foundations.sink import SinkKind, SinkRun
from foundations.step import Step
from training.sinks.registry import SINKS

if TYPE_CHECKING:
    import wandb

PROJECT = "open_lth"

_INIT_TIMEOUT, _FINISH_TIMEOUT = 30, 20
"""Seconds that a run waits for the server: a lost network costs no more, and what it kept can be sent later."""


@SINKS.register("wandb")
@dataclass(frozen=True)
class WeightsAndBiases(SinkKind):
    """Sends measures to Weights & Biases, or keeps them for `wandb sync`, as its own variables, `WANDB_*`, say."""

    description = "also send the measures to Weights & Biases; with WANDB_MODE=offline, keep them for wandb sync"
    package = "wandb"

    project: str = flag(f"the project of --wandb (default: WANDB_PROJECT, or else {PROJECT})", "", metavar="TEXT")

    def open(self, run: SinkRun) -> WandbRun:
        """Begin a run of Weights & Biases, or go on with the one that an interrupted process began."""
        import wandb

        settings = wandb.Settings(
            console="off",
            silent=True,
            init_timeout=_INIT_TIMEOUT,
            finish_timeout=_FINISH_TIMEOUT,
            reinit="create_new",
        )
        with _process_left_if_it_fails():
            begun = wandb.init(
                project=self.project or os.environ.get("WANDB_PROJECT") or PROJECT,
                group=run.name.partition("/")[0],
                name=run.name,
                id=hashlib.md5(run.name.encode(), usedforsecurity=False).hexdigest(),
                resume="allow",
                dir=str(_writable(Path(os.environ.get("WANDB_DIR") or run.paths.directory))),
                config=dict(run.config),
                settings=settings,
            )
        return WandbRun(begun)


class WandbRun:
    """One run of Weights & Biases, whose steps are iterations.

    A process that is killed may take measures with it that wandb had not written or sent yet. So a run that goes on
    hands on everything again; wandb leaves out the steps that the server has.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._rows: dict[int, dict[str, float]] = defaultdict(dict)

    def add(self, name: str, step: Step, value: float) -> None:
        """Take a measure."""
        self._rows[step.iteration][name] = value

    def flush(self) -> None:
        """Hand what was added on to wandb's own process."""
        with _process_left_if_it_fails():
            for iteration, values in self._rows.items():
                self._run.log(values, step=iteration, commit=True)
        self._rows.clear()

    def close(self, is_done: bool) -> None:
        """Say how the run ended, and wait some seconds for what has not been sent yet."""
        with _process_left_if_it_fails():
            self._run.finish(exit_code=0 if is_done else 1)


def _writable(directory: Path) -> Path:
    """Return a directory, in which there is a writable wandb/ now; else wandb would evade to a temporary one."""
    own = directory / "wandb"
    own.mkdir(parents=True, exist_ok=True)
    if not os.access(own, os.W_OK | os.X_OK):
        raise PermissionError(f"{own}: cannot be written to")
    return directory


@contextlib.contextmanager
def _process_left_if_it_fails() -> Iterator[None]:
    """Part with wandb's own process if the block fails: it may be dead, and then the next run starts another."""
    import wandb

    try:
        yield
    except Exception:
        with contextlib.suppress(Exception):
            wandb.teardown()
        raise
