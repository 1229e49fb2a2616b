"""Families of networks, the extension point for new models, and those that `--model_name` can choose from."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

from torch import nn

from foundations.errors import InvalidValue
from foundations.registry import Registry


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
    image_shape: tuple[int, int | None, int | None]
    output_layer: str
    defaults: ClassVar[Mapping[str, object]]

    @abstractmethod
    def matches(self, name: str) -> bool:
        """Return whether a name belongs to this family."""

    def of(self, name: str) -> ModelFamily:
        """Return what holds for the member of a name: the family itself, if all have the same attributes."""
        return self

    def takes(self, name: str, height: int, width: int) -> bool:
        """Return whether the network of a name can compute with images of a size that `image_shape` allows."""
        return True

    @abstractmethod
    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the network of a name that matches, before any initialiser has run.

        The network maps images (B, C, H, W) to logits (B, num_classes). Random numbers may come from
        torch's default generator only: the caller seeds it.
        """


def numbers_in(name: str) -> list[int]:
    """Return the whole numbers in a model's name, in order: `cifar_resnet_20_32` has 20 and 32."""
    return [int(digits) for digits in re.findall(r"\d+", name)]


MODEL_FAMILIES: Registry[ModelFamily] = Registry("model_name")

Family = TypeVar("Family", bound=ModelFamily)


def register_family(name: str) -> Callable[[type[Family]], type[Family]]:
    """Return a class decorator that registers one instance of a family.

    Args:
        name: what the family's model names begin with, e.g. `cifar_resnet`.

    Raises:
        ValueError: if the name is taken already.
    """

    def decorate(family: type[Family]) -> type[Family]:
        MODEL_FAMILIES.register(name)(family())
        return family

    return decorate


def find_family(name: str) -> ModelFamily:
    """Return the family that a model's name belongs to.

    Raises:
        InvalidValue: if there is none; the message has the patterns of valid names, the most likely one first.
    """
    # Nearly all have the family's name in front.
    for _, family in sorted(MODEL_FAMILIES.items(), key=lambda item: not name.startswith(item[0])):
        if family.matches(name):
            return family.of(name)
    raise InvalidValue(MODEL_FAMILIES.flag, name, _valid_names(name))


def _valid_names(name: str) -> str:
    likely = [family.pattern for prefix, family in MODEL_FAMILIES.items() if name.startswith(prefix)]
    others = [family.pattern for _, family in MODEL_FAMILIES.items() if family.pattern not in likely]
    hint = f"must be {' or '.join(likely)}; other models are " if likely else "valid models are "
    return hint + "; ".join(others)
