"""Passes through a network without gradient."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


@torch.no_grad()
def logits_of(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Return the logits of batches of images, (N, classes) in float32."""
    # Copies, because a captured graph writes every batch's output to the same place.
    return torch.cat([model(images).to(torch.float32, copy=True) for images in batches])
