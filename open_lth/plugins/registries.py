"""Every registry: what can be chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datasets import CORRUPTIONS, DATASETS, OOD_CHANGES, OWN_DATASETS, STREAMED_DATASETS, TRAINING_CHANGES
from foundations.extension import EXTENSIONS
from foundations.registry import Registry
from models import BATCHNORM_INITIALIZERS, INITIALIZERS, MODEL_FAMILIES
from open_lth.branch import BRANCHES
from open_lth.command import COMMANDS
from open_lth.suites import PLOTS, SCALES, SUITES
from pruning import STRATEGIES
from training import CALLBACKS, CURRICULA, OBJECTIVES, OPTIMIZERS, VARIANTS

REGISTRIES: Registry[Registry[Any]] = Registry("registry")
"""By what their entries are; a plugin that has registries of its own adds them."""

_CORE: Mapping[str, Registry[Any]] = {
    "subcommand": COMMANDS,
    "model family": MODEL_FAMILIES,
    "initializer": INITIALIZERS,
    "BatchNorm initializer": BATCHNORM_INITIALIZERS,
    "data set": DATASETS,
    "streamed data set": STREAMED_DATASETS,
    "data set of one's own": OWN_DATASETS,
    "corruption": CORRUPTIONS,
    "OOD change": OOD_CHANGES,
    "training change": TRAINING_CHANGES,
    "extension": EXTENSIONS,
    "variant": VARIANTS,
    "curriculum": CURRICULA,
    "optimizer": OPTIMIZERS,
    "objective": OBJECTIVES,
    "callback": CALLBACKS,
    "pruning strategy": STRATEGIES,
    "branch": BRANCHES,
    "suite": SUITES,
    "figure": PLOTS,
    "scale": SCALES,
}

for _what, _registry in _CORE.items():
    REGISTRIES.register(_what)(_registry)
