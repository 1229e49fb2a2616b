"""Which features of a network's tensors are outputs of the same units."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Features:
    """What is known of a tensor one of whose dimensions counts units: channels, or outputs of a linear layer.

    Args:
        group: the units, which other tensors share; see `UnitGroups`.
        constants: (units,) in float64, the value that a unit's features have for every image and at every position,
            or NaN if they vary.
        dim: the dimension that counts units.
        repeat: how many entries in a row of that dimension belong to each unit, after flattening.
    """

    group: int
    constants: Tensor
    dim: int
    repeat: int = 1


class UnitGroups:
    """Groups of units: a unit is removed from all tensors that hold its group, or from none.

    So the operands and the result of an addition are of one group, and so is all that is computed from one unit alone.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._sizes: list[int] = []
        self._fixed: list[bool] = []
        self._of_images: list[bool] = []

    def new(self, size: int, fixed: bool = False, of_images: bool = False) -> int:
        """Return a new group.

        Args:
            fixed: whether all its units have to stay.
            of_images: whether they are entries of the images, which no layer writes: layers may leave them unread.
        """
        self._parents.append(len(self._parents))
        self._sizes.append(size)
        self._fixed.append(fixed)
        self._of_images.append(of_images)
        return len(self._parents) - 1

    def find(self, group: int) -> int:
        """Return the group that stands for all with which one was united."""
        while self._parents[group] != group:
            group = self._parents[group]
        return group

    def unite(self, left: int, right: int) -> int:
        """Make one group of two, unit by unit, and return it."""
        left, right = self.find(left), self.find(right)
        if left != right:
            self._fixed[left] |= self._fixed[right] or self._of_images[left] or self._of_images[right]
            self._parents[right] = left
        return left

    def fix(self, group: int) -> None:
        """Let all units of a group stay."""
        self._fixed[self.find(group)] = True

    def size(self, group: int) -> int:
        """Return the number of units."""
        return self._sizes[group]

    def is_fixed(self, group: int) -> bool:
        """Return whether all units have to stay."""
        return self._fixed[self.find(group)]

    def is_of_images(self, group: int) -> bool:
        """Return whether the units are entries of the images."""
        return self._of_images[self.find(group)]

    def roots(self) -> list[int]:
        """Return one group for all that are united."""
        return [group for group, parent in enumerate(self._parents) if group == parent]

    def varying(self, size: int, dim: int, fixed: bool = False, of_images: bool = False) -> Features:
        """Return features of a new group whose units all vary."""
        return Features(self.new(size, fixed, of_images), torch.full((size,), torch.nan, dtype=torch.float64), dim)
