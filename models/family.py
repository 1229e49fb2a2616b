"""What it takes to be a family of networks: the extension point for new models."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import nn


class ModelFamily(ABC):
    """Networks that share an architecture and a preset, told apart by the numbers or words in their names.

    A new family is one subclass without constructor arguments, decorated with `register_family`.

    Attributes:
        pattern: how the names look, as error messages and help show it.
        examples: names of small and large members, over which the contract tests run.
        image_shape: (channels, height, width) of the images that the networks take; None means any.
        output_layer: the module whose outputs are the logits, by its dotted name.
        defaults: the preset of `--default_hparams`, flag name -> value; flags left out keep their own defaults.
    """

    pattern: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]
    image_shape: ClassVar[tuple[int, int | None, int | None]]
    output_layer: ClassVar[str]
    defaults: ClassVar[Mapping[str, object]]

    @abstractmethod
    def matches(self, name: str) -> bool:
        """Return whether a name belongs to this family."""

    @abstractmethod
    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the network of a name that matches, before any initialiser has run.

        The network maps images (B, C, H, W) to logits (B, num_classes). Random numbers may come from
        torch's default generator only: the caller seeds it.
        """


def numbers_in(name: str) -> list[int]:
    """Return the whole numbers in a model's name, in order: `cifar_resnet_20_32` has 20 and 32."""
    return [int(digits) for digits in re.findall(r"\d+", name)]
