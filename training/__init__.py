"""Objectives, optimisers, schedules, the one training loop, checkpoints and measures."""

from foundations.interruption import Interrupted
from training.data import check_images_fit
from training.deterministic import Deterministic
from training.finite import Diverged
from training.hparams import TrainingHparams
from training.logger import MetricLogger
from training.measures import measure, reliability
from training.objective import Objective, accuracy
from training.optimizers import OPTIMIZERS, ParameterGroups
from training.parallel.following import Task, follow
from training.placement import place
from training.prediction import logits_of
from training.reports import Report
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
    "OPTIMIZERS",
    "SINKS",
    "VARIANTS",
    "Deterministic",
    "Diverged",
    "ImageBatches",
    "Interrupted",
    "MetricLogger",
    "ModelVariant",
    "Objective",
    "ParameterGroups",
    "PredictionRequest",
    "Report",
    "Task",
    "TrainingCircumstances",
    "TrainingHparams",
    "TrainingRun",
    "VariantHparams",
    "accuracy",
    "check_images_fit",
    "constant_name",
    "follow",
    "logits_of",
    "measure",
    "place",
    "reliability",
]
