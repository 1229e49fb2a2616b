"""What of a network became random when it was converted, and what did not."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from bayesian.adapter import convert, deterministic_parameters, variational_tensors
from bayesian.hparams import BAYESIAN, BayesianHparams
from foundations.errors import InvalidValue, UserError

_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_NAMED = 5


def make_bayesian(model: nn.Module, hparams: BayesianHparams) -> None:
    """Convert a network in place.

    Raises:
        UserError: if nothing of it can be converted, or less than the hyperparameters ask for.
    """
    try:
        convert(model, hparams.initial_std)
    except UserError as error:
        raise UserError(f"--{BAYESIAN}: {error}") from None
    left = parameters_left(model)
    if hparams.partial == "refuse" and left:
        raise InvalidValue("partial", "refuse", f"these would stay deterministic: {_listed(left)}").prefixed(BAYESIAN)


def describe_conversion(model: nn.Module) -> str:
    """Return how many of a network's parameters are random, and what the others are."""
    random = sum(tensor.mean.numel() for tensor in variational_tensors(model))
    fixed, left = deterministic_parameters(model), parameters_left(model)
    total = random + sum(parameter.numel() for parameter in fixed.values())
    kinds = ["normalisation"] if len(fixed) > len(left) else []
    others = f"; deterministic: {', '.join([*kinds, *([_listed(left)] if left else [])])}" if fixed else ""
    return f"{random:,} of {total:,} parameters are random{others}"


def parameters_left(model: nn.Module) -> list[str]:
    """Return the names of the parameters that are not random, though they are not those of normalisation layers."""
    normalisations = {name for name, module in model.named_modules() if isinstance(module, _NORMALISATIONS)}
    return [name for name in deterministic_parameters(model) if name.rpartition(".")[0] not in normalisations]


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
