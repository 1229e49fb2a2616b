"""Objectives, optimisers, schedules, the one training loop, checkpoints and measures."""

from foundations.interruption import Interrupted
from training.deterministic import Deterministic
from training.finite import Diverged
from training.hparams import TrainingHparams
from training.logger import MetricLogger
from training.run import TrainingRun
from training.sinks import SINKS
from training.variant import (
    VARIANTS,
    ImageBatches,
    ModelVariant,
    PredictionRequest,
    TrainingCircumstances,
    VariantHparams,
    constant_name,
)

__all__ = [
    "SINKS",
    "VARIANTS",
    "Deterministic",
    "Diverged",
    "ImageBatches",
    "Interrupted",
    "MetricLogger",
    "ModelVariant",
    "PredictionRequest",
    "TrainingCircumstances",
    "TrainingHparams",
    "TrainingRun",
    "VariantHparams",
    "constant_name",
]
