"""TensorBoard: event files in the run's own directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundations.sink import SinkKind, SinkRun
from foundations.step import Step
from training.sinks.registry import SINKS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@SINKS.register("tensorboard")
@dataclass(frozen=True)
class TensorBoard(SinkKind):
    """Writes event files; they are not written whole or not at all, and can be deleted."""

    description = "also write the measures for TensorBoard, into tensorboard/ in the run's directory"
    package = "tensorboard"

    def open(self, run: SinkRun) -> EventFiles:
        """Begin an event file; what earlier ones hold from the run's start on is taken back."""
        from torch.utils.tensorboard import SummaryWriter

        directory = run.paths.tensorboard
        goes_on = any(directory.glob("events.out.tfevents.*"))
        first = run.start.iteration if goes_on else 0
        return EventFiles(SummaryWriter(str(directory), purge_step=first if goes_on else None), first)


class EventFiles:
    """The event files of one run.

    Args:
        first: the first iteration whose measures are not in an earlier file.
    """

    def __init__(self, writer: SummaryWriter, first: int) -> None:
        self._writer = writer
        self._first = first

    def add(self, name: str, step: Step, value: float) -> None:
        """Take a measure, as a 32-bit number, which is what TensorBoard keeps."""
        if step.iteration >= self._first:
            self._writer.add_scalar(name, value, step.iteration)

    def flush(self) -> None:
        """Bring the events to the disk."""
        self._writer.flush()

    def close(self, is_done: bool) -> None:
        """Close the file."""
        self._writer.close()
