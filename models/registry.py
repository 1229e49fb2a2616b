"""The model families that `--model_name` can choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from foundations.errors import InvalidValue
from foundations.registry import Registry
from models.family import ModelFamily

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
    for _, family in MODEL_FAMILIES.items():
        if family.matches(name):
            return family
    raise InvalidValue(MODEL_FAMILIES.flag, name, _valid_names(name))


def _valid_names(name: str) -> str:
    likely = [family.pattern for prefix, family in MODEL_FAMILIES.items() if name.startswith(prefix)]
    others = [family.pattern for _, family in MODEL_FAMILIES.items() if family.pattern not in likely]
    hint = f"must be {' or '.join(likely)}; other models are " if likely else "valid models are "
    return hint + "; ".join(others)
