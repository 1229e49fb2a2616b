"""The mask: which weights are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foundations.errors import UnreadableFile, UserError
from foundations.paths import RunPaths
from foundations.storage import load_tensors, save_tensors, write_json


class Mask(dict[str, Tensor]):
    """A prunable tensor's name -> int tensor of its shape, 1 where a weight is kept and 0 where it is pruned.

    Raises:
        UserError: if a name is no text, or a value no tensor of zeros and ones.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self[name] = tensor

    def __setitem__(self, name: str, tensor: Tensor) -> None:
        if not isinstance(name, str):
            raise UserError(f"the mask names a tensor {name!r}, which is no text")
        if not isinstance(tensor, Tensor) or not bool(((tensor == 0) | (tensor == 1)).all()):
            raise UserError(f"the mask of {name} holds values other than 0 and 1")
        super().__setitem__(name, tensor.detach().to("cpu", torch.int32))

    @staticmethod
    def ones(shapes: Mapping[str, Iterable[int]]) -> Mask:
        """Return the mask that keeps everything."""
        return Mask({name: torch.ones(tuple(shape), dtype=torch.int32) for name, shape in shapes.items()})

    @property
    def total(self) -> int:
        """The number of prunable weights."""
        return sum(tensor.numel() for tensor in self.values())

    @property
    def unpruned(self) -> int:
        """The number of weights kept."""
        return sum(int(tensor.sum()) for tensor in self.values())

    @property
    def density(self) -> float:
        """The fraction of the weights kept."""
        return self.unpruned / self.total

    @property
    def sparsity(self) -> float:
        """The fraction of the weights pruned."""
        return 1 - self.density

    def numpy(self) -> dict[str, NDArray[np.int32]]:
        """Return the mask as arrays, by name."""
        return {name: tensor.numpy() for name, tensor in self.items()}

    @property
    def densities(self) -> dict[str, float]:
        """The fraction of the weights kept in each tensor."""
        return {name: int(tensor.sum()) / tensor.numel() for name, tensor in self.items()}

    def digest(self) -> str:
        """Return the SHA-256 of all names and entries."""
        content = hashlib.sha256()
        for name, tensor in sorted(self.items()):
            content.update(name.encode() + bytes(tensor.contiguous().numpy().data))
        return content.hexdigest()

    def save(self, paths: RunPaths) -> None:
        """Write the mask and its sparsity report into a run's directory; the mask itself comes last."""
        self._save_report(paths)
        save_tensors(paths.mask, dict(self))

    def save_missing(self, paths: RunPaths) -> None:
        """Write what of both is not there yet; of a mask that is, only the report can have got lost."""
        if not paths.mask.exists():
            self.save(paths)
        elif not paths.sparsity_report.exists():
            self._save_report(paths)

    def _save_report(self, paths: RunPaths) -> None:
        """Write how many weights there are and how many are kept."""
        write_json(paths.sparsity_report, {"total": float(self.total), "unpruned": float(self.unpruned)})

    @staticmethod
    def load(path: Path) -> Mask:
        """Read a mask that `save` or OpenLTH wrote.

        Raises:
            UnreadableFile: if the file is damaged or is no mask.
        """
        tensors = load_tensors(path)
        if not isinstance(tensors, dict) or not tensors:
            raise UnreadableFile(path, "is not a mask")
        try:
            return Mask(tensors)
        except UserError as error:
            raise UnreadableFile(path, str(error)) from None


def check_same_tensors(mask: Mask, shapes: Mapping[str, Iterable[int]], what: str) -> None:
    """Check that a mask fits the prunable tensors of a network, by name and shape.

    Args:
        what: the mask's owner, for the message.

    Raises:
        UserError: naming the first tensor that does not fit.
    """
    for name in sorted(set(mask) ^ set(shapes)):
        where = "the mask but not in the network" if name in mask else "the network but not in the mask"
        raise UserError(f"{what} does not fit the network: {name} is in {where}")
    for name, shape in shapes.items():
        if tuple(mask[name].shape) != tuple(shape):
            raise UserError(
                f"{what} does not fit the network: {name} has shape {tuple(shape)} there "
                f"and {tuple(mask[name].shape)} in the mask"
            )
