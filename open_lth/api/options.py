"""Keyword arguments as hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foundations.errors import UserError
from foundations.extension import extended
from training import VARIANTS, ModelVariant, TrainingHparams


def make_variant(name: str, options: Mapping[str, Any]) -> tuple[ModelVariant, dict[str, Any]]:
    """Return a variant with those of the options that are its hyperparameters, and the other options.

    Args:
        options: by field, with or without the variant's name in front.

    Raises:
        UserError: if there is no such variant, or a value is invalid.
    """
    kind = VARIANTS.get(name)
    if kind.hparams is None:
        return kind(), dict(options)
    names = {key: key.removeprefix(f"{name}_") for key in options}
    own = {key for key, field in names.items() if field in kind.hparams.__dataclass_fields__}
    hparams = group_of(kind.hparams, {names[key]: options[key] for key in own})
    return kind(hparams), {key: value for key, value in options.items() if key not in own}


def training_hparams(values: Mapping[str, Any]) -> TrainingHparams:
    """Return the hyperparameters of a training whose length its user decides.

    Raises:
        UserError: if there is no such one, or a value is invalid.
    """
    found: TrainingHparams = group_of(TrainingHparams, {"training_steps": "1it", **values})
    return found


def group_of(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a group of hyperparameters with these values.

    Raises:
        UserError: if one is missing or not its own, or a value is invalid.
    """
    try:
        return extended(kind)(**values)
    except TypeError as error:
        raise UserError(str(error).replace("__init__() ", "")) from None
