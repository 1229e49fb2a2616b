"""Passes through a network without gradient, which a GPU captures and replays from prediction to prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from training.graphs import Graphs, Repetition


class Passes:
    """What the predictions of one network for the same images have in common: their passes, and what these draw from.

    Args:
        graphs: whether passes are captured; by default they are not.
    """

    def __init__(self, graphs: Graphs | None = None) -> None:
        self._graphs = graphs or Graphs()
        self._generators: dict[tuple[str, torch.device], torch.Generator] = {}
        self._repeated: dict[str, tuple[object, Repetition[Tensor]]] = {}

    def generator(self, purpose: str, device: torch.device) -> torch.Generator:
        """Return the generator of a purpose, the same one every time."""
        return self._generators.setdefault((purpose, device), torch.Generator(device))

    def repeated(self, name: str, model: nn.Module, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return what does a pass, perhaps by replaying an earlier prediction's pass of that name.

        Work of one name has to do the same with a network, whoever asks for it and when. If the network's weights lie
        elsewhere than before, or another part of it is in training mode, the pass is another one.
        """
        state = _whereabouts(model)
        known, repetition = self._repeated.get(name, (None, None))
        if repetition is None or known != state:
            repetition = self._graphs.repeated(work, list(self._generators.values()))
            self._repeated[name] = state, repetition
        return repetition if self._graphs.are_made else work


def _whereabouts(model: nn.Module) -> object:
    """Return where a network's tensors lie, and the modes of its parts."""
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor.data_ptr() for tensor in tensors], [module.training for module in model.modules()]


@torch.no_grad()
def logits_of(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Return the logits of batches of images, (N, classes) in float32."""
    # Copies, because a captured graph writes every batch's output to the same place.
    return torch.cat([model(images).to(torch.float32, copy=True) for images in batches])
