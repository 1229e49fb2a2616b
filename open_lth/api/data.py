"""The training data of a network of one's own, as its parts ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from foundations.errors import InvalidValue

Batches = Iterable[tuple[Tensor, Tensor]]
"""What gives batches of images and labels each time it is iterated over, such as a DataLoader."""

_CALIBRATION_EXAMPLES = 512


class TrainingData:
    """Batches of training data, on a device.

    Args:
        batches: what gives them, an epoch each time.
        num_examples: how many examples an epoch has; as many as the loader's data set if None.

    Raises:
        InvalidValue: if that is not known.
    """

    def __init__(self, batches: Batches, num_examples: int | None, device: torch.device) -> None:
        self._batches, self._device = batches, device
        self.num_examples = _count(batches) if num_examples is None else num_examples

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over the batches once."""
        for images, labels in self._batches:
            yield images.to(self._device), labels.to(self._device)

    def endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over the batches, epoch after epoch."""
        while True:
            yield from self.epoch()

    def first_images(self) -> list[Tensor]:
        """Return the first images, in batches, for statistics of BatchNorm."""
        found: list[Tensor] = []
        for images, _ in self.epoch():
            found.append(images)
            if sum(map(len, found)) >= _CALIBRATION_EXAMPLES:
                break
        return found


def _count(batches: Batches) -> int:
    try:
        return len(batches.dataset)  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        reason = "must be given where the loader has no data set of known length"
        raise InvalidValue("num_examples", None, reason) from None
