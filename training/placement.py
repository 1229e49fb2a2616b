"""Networks where, and in the form in which, they compute fastest."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import nn

from foundations.context import RunContext
from foundations.errors import InvalidValue

Function = TypeVar("Function", bound=Callable[..., Any])


def place(model: nn.Module, context: RunContext) -> nn.Module:
    """Move a network to the device, in convolutions' fastest layout, and compile it if asked.

    Its parameters keep their names, and what is computed stays the same up to rounding.

    Raises:
        InvalidValue: if it is to be compiled and this machine cannot.
    """
    model.to(context.device).to(memory_format=torch.channels_last)
    if context.compile:
        _check_compiler(context.device)
        model.compile(**_options(context))
    return model


def compiled(function: Function, context: RunContext) -> Function:
    """Return a function of tensors compiled, if that is asked for, and else as it is."""
    return cast(Function, torch.compile(function, **_options(context))) if context.compile else function


def _options(context: RunContext) -> dict[str, Any]:
    # Anew for each size of batch: they are few, and what fits any size is slower. Where whole steps are captured, what
    # is compiled must not capture parts of them by itself.
    captures_parts = context.device.type == "cuda" and (context.graph == "off" or context.ranks.size > 1)
    return {"dynamic": False, "mode": "reduce-overhead" if captures_parts else "default"}


def _check_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise InvalidValue("compile", True, "needs the package triton on a GPU")
    elif not any(map(shutil.which, filter(None, (os.environ.get("CXX"), "g++", "clang++")))):
        raise InvalidValue("compile", True, "needs a C++ compiler on the CPU, such as g++")
