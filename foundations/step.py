"""A point in training, counted in epochs and iterations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(0|[1-9]\d*)"  # without leading zeros, as in OpenLTH
_PATTERN = re.compile(rf"(?:{_NUMBER}ep)?(?:{_NUMBER}it)?", re.ASCII)
_VALID = "a number of steps looks like 160ep, 500it or 10ep3it"


@total_ordering
@dataclass(frozen=True, eq=False)
class Step:
    """The point after `iteration` training iterations of `iterations_per_epoch` an epoch.

    Raises:
        ValueError: if the iteration is negative or an epoch has no iteration.
    """

    iteration: int
    iterations_per_epoch: int

    def __post_init__(self) -> None:
        if self.iteration < 0 or self.iterations_per_epoch < 1:
            raise ValueError(f"no such step: {self.iteration} of {self.iterations_per_epoch} an epoch")

    @classmethod
    def from_str(cls, text: str, iterations_per_epoch: int) -> Step:
        """Read `160ep`, `500it` or `10ep3it`.

        Raises:
            ValueError: if the text is anything else.
        """
        epochs, iterations = parse_step(text)
        return cls(epochs * iterations_per_epoch + iterations, iterations_per_epoch)

    @property
    def ep(self) -> int:
        """The epochs completed."""
        return self.iteration // self.iterations_per_epoch

    @property
    def it(self) -> int:
        """The iterations completed since the last whole epoch."""
        return self.iteration % self.iterations_per_epoch

    def next(self) -> Step:
        """Return the step one iteration later."""
        return Step(self.iteration + 1, self.iterations_per_epoch)

    def _comparable(self, other: object) -> bool:
        return isinstance(other, Step) and other.iterations_per_epoch == self.iterations_per_epoch

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self._comparable(other) and self.iteration == other.iteration

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        if not self._comparable(other):
            raise ValueError("steps of different epoch lengths cannot be compared")
        return self.iteration < other.iteration

    def __hash__(self) -> int:
        return hash((self.iteration, self.iterations_per_epoch))

    def __str__(self) -> str:
        return f"{self.ep}ep{self.it}it"


def parse_step(text: str) -> tuple[int, int]:
    """Split a step's text into (epochs, iterations).

    Raises:
        ValueError: if the text is not of the form `160ep`, `500it` or `10ep3it`.
    """
    match = _PATTERN.fullmatch(text)
    if not text or match is None:
        raise ValueError(_VALID)
    return int(match[1] or 0), int(match[2] or 0)


def parse_steps(text: str) -> list[tuple[int, int]]:
    """Split a comma-separated list of steps, as in `80ep,120ep`.

    Raises:
        ValueError: if one of them is malformed.
    """
    try:
        return [parse_step(part) for part in text.split(",")]
    except ValueError:
        raise ValueError("a list of steps looks like 80ep,120ep") from None
