"""What a person sees while a network trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from tqdm import tqdm

from foundations.step import Step
from training.reports import Reporter


class Progress:
    """A progress bar over the iterations of one training run, and one line an evaluation.

    The bar is there only on a terminal; nothing at all is printed when quiet.

    Args:
        label: what is trained, e.g. `level_2/main`.
        report_to: the pipe to report to, instead of printing anything, if another process shows the progress.
    """

    def __init__(self, label: str, end: Step, quiet: bool, report_to: int | None = None) -> None:
        self._label = label
        self._end = end
        self._quiet = quiet
        self._reporter = None if report_to is None else Reporter(report_to, label, end.iteration)
        self._bar: tqdm[NoReturn] = tqdm(
            total=end.iteration,
            desc=label,
            unit="it",
            disable=quiet or self._reporter is not None or not sys.stderr.isatty(),
            leave=False,
            dynamic_ncols=True,
            smoothing=0.05,
        )
        self._started = time.monotonic()

    def at(self, step: Step) -> None:
        """Move the bar to a step."""
        if self._reporter is not None:
            self._reporter.at(step.iteration)
        if self.is_shown:
            epochs = -(-self._end.iteration // self._end.iterations_per_epoch)
            self._bar.set_description(f"{self._label} epoch {min(step.ep + 1, epochs)}/{epochs}", refresh=False)
            self._bar.update(step.iteration - self._bar.n)

    def show(self, values: Mapping[str, float]) -> None:
        """Show the latest averages of loss and accuracy beside the bar."""
        shown = {name: f"{values[name]:.3f}" for name in ("loss", "accuracy") if name in values}
        self._bar.set_postfix(shown, refresh=False)

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar at all."""
        return not self._bar.disable

    def evaluation(self, name: str, step: Step, values: Mapping[str, float]) -> None:
        """Print one line for an evaluation."""
        text = (
            f"{name}  ep {step.ep:<3d} it {step.it:<4d} loss {values['loss']:.4f}  "
            f"accuracy {100 * values['accuracy']:6.2f} %  examples {int(values['examples'])}  "
            f"{time.monotonic() - self._started:.1f} s"
        )
        if self._reporter is not None:
            self._reporter.say(text)
        elif not self._quiet:
            tqdm.write(f"{self._label}  {text}")

    def close(self) -> None:
        """Take the bar away."""
        if self._reporter is not None:
            self._reporter.close()
        self._bar.close()
