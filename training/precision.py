"""Mixed precision: which arithmetic the forward pass uses, and the scaling that fp16 needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """The arithmetic of one training run.

    Args:
        name: fp32, bf16 or fp16.
        device: where the network lives.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self._type = _AUTOCAST_TYPES.get(name)
        self._device = device
        self._scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the forward pass runs."""
        if self._type is None:
            return nullcontext()
        # What is cached inside a captured graph would be read outside of it, and the other way round.
        return torch.autocast(self._device.type, dtype=self._type, cache_enabled=self._device.type != "cuda")

    @property
    def scales_losses(self) -> bool:
        """Whether losses are scaled by a factor that depends on the gradients so far."""
        return self._scaler.is_enabled()

    def scale(self, loss: Tensor) -> Tensor:
        """Scale a loss, or a gradient not found through one, so that fp16 gradients do not vanish."""
        return self._scaler.scale(loss)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step the optimiser on unscaled gradients, or skip the step if they overflowed."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of an interrupted run."""
        self._scaler.load_state_dict(state)
